public import DrawbridgeHost
public import DrawbridgeModel
import DrawbridgePlanning
public import Logging
import NetworkTypes

/// The engine of a real host: events in, one transaction at a time, outcomes out.
///
/// What it knows is in the journal or read afresh from the kernel within the scope of the event, so that losing the
/// process loses nothing. It runs on the host's kernel thread: what a transaction writes down and what it asks of the
/// kernel are one order of calls on one thread.
public actor HostEngine: Engine {
    var configuration: Configuration
    let paths: EnginePaths
    let host: Host
    let journal: Journal
    let runner: ProgramRunner
    let turn = Turn()
    let tokens = EventTokens<OuterEvent>()
    let openVSwitch: OpenVSwitch
    let logger: Logger
    let version: String
    var log: EventLog

    /// Every network that is up, or that was left half way.
    var raised: [NetworkName: RaisedNetwork] = [:]
    /// Every vif that is attached or remembered.
    var attachments = AttachmentTable()
    /// Events of vifs that wait for their turn; those of one kind form one transaction.
    var pending: [Pending] = []
    /// The addresses of vifs that went.
    var resting = RestingAddresses()
    /// What was learnt of the addresses of vifs, and how they are listened to for it.
    var learned: [VifID: [Prefix]] = [:]
    var listening = Listening()
    /// The vifs that are held to security groups.
    var grouped: Set<VifID> = []
    /// The addresses of the host and its gateways, as the filter knows them; nil before anybody asked.
    var ownAddresses: Set<IPAddress>?
    /// Whether they are to be read anew when the turn comes.
    var isGuardStale = false
    /// The devices that limit what guests send, by their vifs.
    var shapers: [VifID: Int32] = [:]
    /// What nf_tables holds of limits, and whether that is all: not before the vifs of before are attached again.
    var rateEntries: [VifID: RateEntry] = [:]
    var areRatesSettled = false
    /// Vifs whose limits somebody may have changed.
    var suspectVifs: Set<VifID> = []
    /// The link group of everything that Drawbridge makes.
    var linkGroup: UInt32 = 0
    /// Those who look out for what others change, and repair it.
    var watchers: [Task<Void, Never>] = []
    /// Tells that something noticed is to be repaired when the turn comes; once is as good as often.
    let due = Channel<Void>(keeping: 1)
    /// The links of which the names are to be looked at.
    let named = Channel<NamedLink>()
    /// The DHCP clients that were handed over, and those that went on as they were and have no lease again yet.
    var handovers: [NetworkName: DHCPHandover] = [:]
    var handedBack: [DHCPHandover] = []
    /// What the host's forwarding was before the first routed network, and what it is with them.
    var forwarding = ForwardingRecord()
    /// The host's address on each routed network's uplink when its vifs were last looked at.
    var routers: [NetworkName: IPv4Address] = [:]
    /// What outlives a restart of the machine.
    let store: PersistentStore
    /// Which addresses of the subnets are whose, those who serve them, and what is wrong with these.
    var books: [NetworkName: AddressBook] = [:]
    var nameServers: [NetworkName: NameServer] = [:]
    var serverProblems: [NetworkName: String] = [:]
    /// Starts the host's own DHCP server anew, once its configuration was edited.
    var serverRestart: ServerRestart?
    /// Who asks for prefixes for subnets.
    var prefixClients: [NetworkName: PrefixClient] = [:]
    /// The ports that lead to guests, and what the kernel was told of them last.
    var forwards: [PortForward] = []
    var translations: [PortTranslation] = []
    /// The ports of bridges that give back to guests what is led to themselves.
    var hairpins: Set<Hairpin> = []
    /// Networks whose repair is due.
    var suspects: Set<NetworkName> = []

    public nonisolated var unownedExecutor: UnownedSerialExecutor { host.unownedExecutor }

    /// Takes over an opened host and an opened journal; changes nothing.
    public init(
        configuration: Configuration, paths: EnginePaths, host: Host, journal: Journal, version: String,
        logger: Logger
    ) throws(DrawbridgeError) {
        self.configuration = configuration
        self.paths = paths
        self.host = host
        self.journal = journal
        self.version = version
        self.logger = logger
        store = PersistentStore(path: paths.persistentDirectory)
        runner = try ProgramRunner()
        openVSwitch = OpenVSwitch(socket: paths.openVSwitch)
        log = EventLog(logger: logger)
    }

    public func events(since sequence: UInt64?) async -> AsyncStream<EventRecord> {
        log.listen(since: sequence)
    }

    public func reload(_ configuration: Configuration) async {
        let old = self.configuration
        self.configuration = configuration
        log.add("configuration-reloaded", "daemon")
        await applyLimits(changedFrom: old)
        await applyFilters()
        await applyGroups()
        await applyIsolation()
        await applyVLANs(changedFrom: old)
        await lookAfterForwards()
        if old.compatibility.acceptsInIptables != configuration.compatibility.acceptsInIptables {
            await applyAcceptance()
        }
    }

    /// Identifies this host and this uplink in the journal.
    func identity(uplink: (index: Int32, address: MACAddress?)?) async throws(DrawbridgeError)
        -> JournalIdentity
    {
        let identity = try await host.identity()
        return JournalIdentity(
            bootID: identity.bootID, namespaceCookie: identity.namespaceCookie, uplinkIndex: uplink?.index,
            uplinkAddress: uplink?.address, programVersion: version)
    }
}

/// Where the engine keeps and finds things.
public struct EnginePaths: Hashable, Sendable {
    /// The journal's directory.
    public var stateDirectory: String
    /// Where scripts that are named without a path lie.
    public var scriptDirectory: String
    /// The socket that scripts reach the daemon by.
    public var socket: String
    /// What is to outlive a restart of the machine.
    public var persistentDirectory: String
    /// The socket of Open vSwitch's database.
    public var openVSwitch: String

    /// Where Open vSwitch's database listens, unless told otherwise.
    public static let defaultOpenVSwitch = "/run/openvswitch/db.sock"

    public init(
        stateDirectory: String, scriptDirectory: String, socket: String, persistentDirectory: String,
        openVSwitch: String = defaultOpenVSwitch
    ) {
        self.openVSwitch = openVSwitch
        self.stateDirectory = stateDirectory
        self.persistentDirectory = persistentDirectory
        self.scriptDirectory = scriptDirectory
        self.socket = socket
    }
}

/// The event within which a program of the administrator's runs: what it calls, runs inside it.
enum OuterEvent: Hashable, Sendable {
    case network(String)
    case vif(VifID)
}

/// A network that is up, on its way up or down, or was left half way.
struct RaisedNetwork: Hashable, Sendable {
    var baseline: BaselineRecord
    var settled: SettledRecord?
    var phase: IntentRecord.Phase
    /// Why it is degraded.
    var problem: String?

    var network: Network { baseline.network }

    /// How its uplink is found again, whatever it is called now.
    var uplink: UplinkReference {
        guard network.uplink != .none, let index = baseline.identity.uplinkIndex else { return .none }
        return .identity(index: index, permanentAddress: baseline.identity.uplinkAddress)
    }

    /// The index of its bridge, as far as it is known.
    var bridgeIndex: Int32?

    /// The baseline as of now: lifetimes have gone on.
    var agedBaseline: HostState { baseline.state.aged(by: Self.elapsed(since: baseline.takenAt)) }
    var agedSettled: HostState? { settled.map { $0.state.aged(by: Self.elapsed(since: $0.takenAt)) } }

    private static func elapsed(since time: UInt64) -> Seconds {
        let now = Journal.now()
        return now > time ? Seconds(clamping: now - time) : 0
    }
}
