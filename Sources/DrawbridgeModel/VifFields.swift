import NetworkTypes

/// The keys of one event from their three sources, and their grammar.
struct VifFields {
    let script: String
    let arguments: ScriptArguments
    let environment: [String: String]
    let store: [String: String]?

    /// The value that holds; nil if no source says anything.
    subscript(_ key: String) -> String? {
        let stored = VifEvent.storeKeys.contains(key) ? store?[key] : nil
        return [stored, arguments[key], environment[key]].compactMap(\.self).first { !$0.isEmpty }
    }

    func error(_ key: String, _ cause: String) -> DrawbridgeError {
        DrawbridgeError(.invalidArgument, "\(script): \(key)", cause)
    }

    /// The vif and the name of its device.
    func identity(of interface: VifEvent.Interface, comes: Bool) throws(DrawbridgeError) -> (VifID, LinkName)
    {
        let key = interface == .vif ? "vif" : "INTERFACE"
        guard let text = self[key] else {
            throw error(key, "is not set; it names the device that the event is about")
        }
        guard let device = LinkName(text) else { throw error(key, whyNotLinkName(text) ?? "bad name") }
        // Xen 4.1 called an emulated card's tap tap3.1.
        let named =
            interface == .vif
            ? VifID(text).flatMap { $0.isEmulated ? nil : $0 }
            : (VifID(text) ?? (text.hasPrefix("tap") ? VifID("vif" + text.dropFirst(3)) : nil))?.emulated
        guard let path = self["XENBUS_PATH"] else {
            // A tap's own name says which entry is meant: udev knows nothing more of it.
            if comes, store != nil, interface == .vif || named == nil {
                throw error("XENBUS_PATH", "is not set; it names the vif in the store")
            }
            guard let named else {
                throw error(
                    key,
                    "'\(text)' does not tell which vif it is; expected \(interface == .vif ? "vif3.1" : "vif3.1-emu"), or XENBUS_PATH besides"
                )
            }
            return (named, device)
        }
        guard let own = Self.identity(path: path) else {
            throw error("XENBUS_PATH", "'\(path)' is not of the form backend/vif/<domid>/<devid>")
        }
        let id = interface == .tap ? own.emulated : own
        if let named, named != id {
            throw error(key, "'\(text)' is another vif than XENBUS_PATH '\(path)' names")
        }
        return (id, device)
    }

    /// Reads `backend/vif/3/1`, also below the home of a domain: `/local/domain/0/backend/vif/3/1`.
    static func identity(path: String) -> VifID? {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count >= 4, let id = VifID("vif\(parts[parts.count - 2]).\(parts[parts.count - 1])"),
            !id.isEmulated
        else {
            return nil
        }
        let head = parts.dropLast(2).joined(separator: "/")
        if head == "backend/vif" { return id }
        let home = head.split(separator: "/", omittingEmptySubsequences: false)
        guard home.count == 6, home[0].isEmpty, home[1] == "local", home[2] == "domain",
            UInt32(home[3]) != nil,
            home[4] == "backend", home[5] == "vif"
        else { return nil }
        return id
    }

    /// Reads everything that is optional.
    ///
    /// - Returns: what was understood otherwise than a reader may expect, a line each.
    func fill(
        _ request: inout VifRequest, for interface: VifEvent.Interface
    ) throws(DrawbridgeError) -> [String] {
        request.domainName = self["domain"] ?? store?["name"]
        request.isTrusted = (store?["trusted"]).flatMap { ["0": false, "1": true][$0] }
        if BuiltInScript(rawValue: script) == .vifNAT {
            request.handsOut = self["dhcp"].map { $0 != "no" }
            request.hostName = GuestHostName.derived(domain: self["domain"], of: request.id)
        }
        if let text = self["vifname"] {
            request.vifName = try vifName(text, of: request.id, for: interface)
        }
        if BuiltInScript(rawValue: script) == .vifOpenVSwitch {
            request.domainUUID = store?["uuid"]
            request.switchPort = SwitchPort()
            let text = self["bridge"]
            guard let port = text.flatMap({ SwitchPort($0) }) else {
                throw DrawbridgeError(noSwitchIn: text, of: "\(script): bridge")
            }
            request.switchPort = port
        } else if let text = self["bridge"] {
            guard let name = LinkName(text) else { throw error("bridge", whyNotLinkName(text) ?? "bad name") }
            request.bridge = name.bridgeAliasResolved
        }
        if let text = self["gatewaydev"] ?? self["netdev"] {
            guard let name = LinkName(text) else { throw error("netdev", whyNotLinkName(text) ?? "bad name") }
            request.netdev = name
        }
        if let text = self["mac"] {
            guard let mac = MACAddress(text) else {
                throw error("mac", "'\(text)' is not a hardware address; expected one like 00:16:3e:5e:6c:00")
            }
            guard !mac.isMulticast, mac.value != 0 else {
                throw error("mac", "'\(text)' is not the address of one interface (multicast, or all zero)")
            }
            request.mac = mac
        }
        if let text = self["ip"] {
            for word in text.split(whereSeparator: { $0.isWhitespace || $0 == "," }) {
                // `vif-nat` takes the address and drops the length of its network's prefix.
                let isNAT = BuiltInScript(rawValue: script) == .vifNAT
                do throws(GuestAddress.Problem) {
                    request.addresses.append(try GuestAddress.read(isNAT ? word.prefix { $0 != "/" } : word))
                } catch {
                    throw self.error("ip", error.message)
                }
            }
        }
        if let text = self["vlan"], request.switchPort == nil {
            guard let vlans = VLANText.readXen(text) else {
                throw error(
                    "vlan", "'\(text)' is not what xl writes; expected VLANs like 10p, or 10p/20/30-40")
            }
            request.vlans = vlans
        }
        if let text = self["mtu"] {
            guard text.utf8.allSatisfy({ (48...57).contains($0) }), let mtu = UInt32(text),
                (68...65535).contains(mtu)
            else { throw error("mtu", "'\(text)' is not a number from 68 to 65535") }
            request.mtu = mtu
        }
        var notices: [String] = []
        let limit = try rate("rate", &notices)
        // What the store says of a vif is netback's to hold. An emulated card's tap has no netback.
        if interface == .vif, let stored = store?["rate"], !stored.isEmpty {
            request.netbackRate = limit
        } else {
            request.rate = limit
        }
        // A variable's name holds no hyphen.
        request.rateIn = try rate(self["rate-in"] == nil ? "rate_in" : "rate-in", &notices)
        request.ratePackets = try packets("rate-packets", or: "rate_packets")
        request.rateInPackets = try packets("rate-in-packets", or: "rate_in_packets")
        return notices
    }

    private func packets(_ key: String, or other: String) throws(DrawbridgeError) -> PacketLimit? {
        let key = self[key] == nil ? other : key
        guard let text = self[key] else { return nil }
        do throws(PacketLimit.Problem) { return try PacketLimit(reading: text) } catch {
            throw self.error(key, error.message)
        }
    }

    private func rate(_ key: String, _ notices: inout [String]) throws(DrawbridgeError) -> RateLimit? {
        guard let text = self[key] else { return nil }
        do throws(RateText.Problem) {
            let reading = try RateText.read(text)
            notices += reading.notices.map { "\(key): \($0)" }
            return reading.limit
        } catch { throw self.error(key, error.message) }
    }

    /// The name that the device is to bear: a tap's gets `-emu` appended, so that both devices of one vif can
    /// be told apart.
    private func vifName(
        _ text: String, of id: VifID, for interface: VifEvent.Interface
    ) throws(DrawbridgeError) -> LinkName {
        if let problem = whyNotLinkName(text) { throw error("vifname", problem) }
        if let other = VifID(text), other.own != id.own || other.isEmulated {
            throw error("vifname", "'\(text)' is the name of another vif than \(id)")
        }
        guard let name = LinkName(interface == .tap ? text + "-emu" : text) else {
            throw error(
                "vifname",
                "'\(text)' has \(text.utf8.count) octets; a tap's name has at most 11, since '-emu' is appended"
            )
        }
        return name
    }
}
