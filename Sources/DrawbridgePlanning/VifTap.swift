import DrawbridgeModel
import NetworkTypes

extension HostState {
    /// The host's end of a vif that is a tap of Drawbridge's: the one that is there, or one to be made.
    ///
    /// - Throws: `refused` where the device is somebody else's, or a tap for other programs. What whoever opens it
    ///   decides, the header of its frames, is no difference.
    func tap(
        _ options: TapOptions, of key: LinkKey, named name: String, group: UInt32
    ) throws(PlanningError) -> Link<LinkKey> {
        var link = links[key] ?? Link(name: name)
        if links[key] != nil {
            guard owner(of: key) == .drawbridge, case .tun(let known) = link.kind, known.isTap else {
                throw .refused(
                    DrawbridgeError(
                        .conflict, link.name, "exists already and is no tap of Drawbridge's",
                        advice: "choose another name, or 'drawbridge vif add --device' to use it"))
            }
            guard
                (known.owner, known.group, known.isMultiQueue)
                    == (options.owner, options.group, options.isMultiQueue)
            else {
                throw .refused(
                    DrawbridgeError(
                        .conflict, link.name, "exists already, with another owner, group or number of queues",
                        advice: "'drawbridge tap remove \(link.name)' first"))
            }
        } else {
            link.kind = .tun(options.settings)
        }
        link.name = name
        link.alias = LinkMark.made(key).alias
        link.group = group
        link.address = .xenVif
        return link
    }
}
