import DrawbridgeModel
import DrawbridgePlanning
import Glibc
import Netlink
import NetworkTypes

extension Operation {
    /// The error where the kernel refuses a limit because it is built without a part of it: which part, and what
    /// follows. Nil for any other refusal.
    func missingPart(_ refusal: NetlinkError.Refusal, name: String) -> DrawbridgeError? {
        let part: String
        let follows: String
        switch self {
        case .createLink(.ifb, _, _) where refusal.errno == EOPNOTSUPP:
            part = "ifb (CONFIG_IFB)"
            follows = "no rate from a guest can be held without it"
        case .replaceQdisc(let qdisc) where refusal.errno == ENOENT:
            let isIngress = qdisc.parent == .ingressQdisc
            part = isIngress ? "ingress (CONFIG_NET_SCH_INGRESS)" : "tbf (CONFIG_NET_SCH_TBF)"
            follows =
                isIngress ? "no rate from a guest can be held without it" : "no rate can be held without it"
        case .addFilter where refusal.errno == ENOENT || refusal.errno == EOPNOTSUPP:
            part = "u32 or mirred (CONFIG_NET_CLS_U32, CONFIG_NET_ACT_MIRRED)"
            follows = "no rate from a guest can be held without it"
        default: return nil
        }
        return DrawbridgeError(
            .kernel, name, "this kernel lacks \(part): \(refusal)",
            advice: "\(follows); load or build it, or take the limit away")
    }
}
