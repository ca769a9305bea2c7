/// The text of `Interfaces/io.drawbridge.varlink`, for GetInterfaceDescription. A test keeps the two equal.
extension API {
    /// The interface in Varlink's own language.
    public static let description = #"""
        # Drawbridge connects the guests of one machine to its network.
        #
        # Every method that changes something takes dryRun: then it changes nothing and tells the plan.
        # Root may do everything. Members of the group drawbridge may look at everything, and add and
        # remove vifs of their own whose pair or tap Drawbridge makes, up to vifs-per-user.
        interface io.drawbridge

        # What an event came to: whether anything was, or with a dry run would be, changed; the plan,
        # a line a step, for people; and what should be known although it worked.
        type Outcome (
          changed: bool,
          plan: []string,
          warnings: []string
        )

        type NetworkState (down, up, degraded)

        # A DHCP client of the host's that rests while another one runs on the bridge: the program,
        # the process that rests, the one that runs, and the address that the host keeps.
        type DHCPHandover (
          client: string,
          resting: int,
          running: ?int,
          address: ?string
        )

        # uplink is absent for a network that has none. problem says why a network is degraded.
        # dhcpHandover is there where the host's DHCP client was handed over.
        type Network (
          name: string,
          bridge: string,
          state: NetworkState,
          uplink: ?string,
          ports: []string,
          addresses: []string,
          antispoof: bool,
          multicastSnooping: bool,
          problem: ?string,
          dhcpHandover: ?DHCPHandover
        )

        # A network that the configuration does not name. Without an uplink, and with defaultRoute
        # absent or false, it reaches only its vifs and the host. The reactions are refuse (the default)
        # and warn; dhcpClient is hand-over (the default), refuse or ignore.
        type NetworkSpecification (
          bridge: ?string,
          uplink: ?string,
          defaultRoute: ?bool,
          antispoof: ?bool,
          multicastSnooping: ?bool,
          uplinkReferences: ?string,
          foreignManager: ?string,
          networkRoot: ?string,
          dhcpClient: ?string,
          kind: ?string,
          addresses: ?[]string,
          natSources: ?[]string,
          handOut: ?bool,
          domain: ?string,
          connectGuests: ?bool,
          isolateGuests: ?bool,
          vlanFiltering: ?bool
        )

        # connected; waiting for its network, which is down; vanished: remembered, its device gone.
        type VifState (connected, waiting, vanished)

        # A tap that Drawbridge makes, for a program to open: by the user and the members of the group, both where both
        # are told. Without both the user is who asks. With multiQueue whoever opens it asks for queues.
        type Tap (
          owner: ?int,
          group: ?int,
          multiQueue: ?bool,
          virtioHeader: ?bool
        )

        # id is vif<domid>.<devid>; device is the name that the host's end bears now. owner is a user id.
        # rate is the limit from the guest, rateIn the limit to it; absent where there is none. netbackRate is
        # what netback itself holds the guest to, as Xen's store said it when the vif came. ratePackets and
        # rateInPackets are limits of packets.
        # trusted tells whether the guest's front end trusts this end, where its toolstack told it.
        # filter is what is let through of its frames: addresses, mac-only, learn (addresses are what was
        # learnt), open or closed; absent where it is not filtered. drops tells what was dropped, where one
        # vif is asked for.
        type Vif (
          id: string,
          device: string,
          state: VifState,
          domain: ?string,
          network: ?string,
          bridge: ?string,
          mac: ?string,
          addresses: []string,
          mtu: ?int,
          rate: ?string,
          rateIn: ?string,
          netbackRate: ?string,
          ratePackets: ?string,
          rateInPackets: ?string,
          isolated: ?bool,
          vlan: ?string,
          trusted: ?bool,
          filter: ?string,
          groups: ?[]string,
          drops: ?[]Drop,
          index: ?int,
          owner: int,
          pair: bool,
          tap: ?Tap
        )

        # How many frames and octets of a vif were dropped for a reason, like "spoofed ARP".
        type Drop (reason: string, frames: int, octets: int)

        # A vif to connect. With device, its host's end exists already and belongs to somebody else; with tap,
        # Drawbridge makes a tap, named vifName where that is told; with neither, it makes a pair, whose other end is born as guestName (eth0) in a namespace
        # that is passed as a descriptor on io.drawbridge.direct. Without id one is chosen: the next
        # device of the domain of that name, or the first domain number from 32768 that is free.
        # Addresses are IPv4 or IPv6, alone or with a prefix length. mac is the guest's. rate and rateIn
        # are like 10Mb/s, 1MB/s@20ms or unlimited, ratePackets and rateInPackets like 10K/s, 500/s@20ms or
        # unlimited; absent, the limits of the configuration hold.
        # An isolated vif reaches no other isolated one of its network; absent, the configuration says it.
        # vlan is the VLAN that it is in, as 10, or as 10:20:30 with those whose tags it sends and sees.
        type VifSpecification (
          id: ?string,
          domain: ?string,
          device: ?string,
          guestName: ?string,
          bridge: ?string,
          mac: ?string,
          addresses: ?[]string,
          mtu: ?int,
          vifName: ?string,
          rate: ?string,
          rateIn: ?string,
          ratePackets: ?string,
          rateInPackets: ?string,
          isolated: ?bool,
          vlan: ?string,
          tap: ?Tap
        )

        # An address that was given to a guest of a subnet. vif is the one that it is connected by, or was;
        # name is what it is found by.
        type Address (
          network: string,
          address: string,
          mac: string,
          vif: string,
          name: string,
          connected: bool
        )

        # A port of the host's, tcp or udp, that leads to a guest, which is named as a domain or a vif.
        # addresses is where it leads now; empty while the guest is not there.
        type Forward (
          port: int,
          protocol: string,
          guest: string,
          guestPort: int,
          addresses: []string
        )

        # A line of the event log. sequence counts from 1 over the daemon's life; time is in
        # nanoseconds since 1970; error is absent where it went well.
        type Event (
          sequence: int,
          time: int,
          event: string,
          object: string,
          detail: string,
          error: ?string
        )

        # ready is false until the networks of the configuration have been raised. kernelChanges counts the
        # requests to the kernel that change something (netlink messages, sysctl writes, ioctls)
        # since the daemon began. filterLayout is how the filter against spoofing lies in this kernel, like
        # "one chain for all vifs, owned" or "one chain for each vif, repaired when others change it".
        type Daemon (
          version: string,
          process: int,
          ready: bool,
          configurationFile: ?string,
          stateDirectory: string,
          scriptDirectory: string,
          stopOnExit: bool,
          kernelChanges: int,
          filterLayout: ?string
        )

        # What the daemon is and does, with everything it manages.
        method GetStatus() -> (daemon: Daemon, networks: []Network, vifs: []Vif)

        # What the daemon is and does.
        method GetDaemonStatus() -> (daemon: Daemon)

        # Raises a network: one of the configuration by its name, or the one specified.
        method StartNetwork(
          name: string,
          specification: ?NetworkSpecification,
          dryRun: ?bool
        ) -> (outcome: Outcome)

        # Lowers a network and gives the host its own configuration back.
        method StopNetwork(name: string, dryRun: ?bool) -> (outcome: Outcome)

        # Every network that is configured or up.
        method ListNetworks() -> (networks: []Network)

        # One network, by its name or that of its bridge.
        method GetNetwork(name: string) -> (network: Network)

        # Connects a vif.
        method AddVif(vif: VifSpecification, dryRun: ?bool) -> (id: string, outcome: Outcome)

        # Disconnects a vif. What Drawbridge made for it is deleted, what others made is kept.
        method RemoveVif(id: string, dryRun: ?bool) -> (outcome: Outcome)

        # Changes the limits of a vif that is attached, or its VLANs, without disconnecting it. What is absent
        # stays as it is; unlimited takes a limit away.
        method SetVif(
          id: string,
          rate: ?string,
          rateIn: ?string,
          ratePackets: ?string,
          rateInPackets: ?string,
          vlan: ?string,
          dryRun: ?bool
        ) -> (outcome: Outcome)

        # Takes a vif that is attached to another network, without taking its guest's link away. Its addresses
        # there are those that are told, else those that the network gives, else those that it has.
        method MoveVif(
          id: string,
          network: string,
          addresses: ?[]string,
          dryRun: ?bool
        ) -> (outcome: Outcome)

        # Every vif that is attached or remembered.
        method ListVifs() -> (vifs: []Vif)

        # One vif, by its id or the name of its device.
        method GetVif(id: string) -> (vif: Vif)

        # Every address that was given to a guest of a subnet that is up.
        method ListAddresses() -> (addresses: []Address)

        # Lets a port of the host's lead to a guest of a subnet, for as long as it is not taken back.
        method AddForward(
          port: int,
          protocol: string,
          guest: string,
          guestPort: int,
          dryRun: ?bool
        ) -> (outcome: Outcome)

        # Lets a port of the host's be the host's again.
        method RemoveForward(port: int, protocol: string, dryRun: ?bool) -> (outcome: Outcome)

        # Every port of the host's that leads to a guest.
        method ListForwards() -> (forwards: []Forward)

        # The event log from now on, or from after the number since as far as it is kept. To be called
        # with more; a reply without an event is the last one.
        method FollowEvents(since: ?int) -> (event: ?Event)

        # Reads the configuration file again.
        method ReloadConfiguration(dryRun: ?bool) -> (outcome: Outcome)

        # Ends the daemon. The networks are lowered first, as the configuration's stop-on-exit says;
        # with keepNetwork everything is left for the next daemon to adopt.
        method Shutdown(keepNetwork: ?bool, dryRun: ?bool) -> (outcome: Outcome)

        # What was asked for is malformed.
        error InvalidArgument (object: string, cause: string, advice: ?string)

        # A configuration file is wrong.
        error InvalidConfiguration (object: string, cause: string, advice: ?string)

        # Something named is not there.
        error NotFound (object: string, cause: string, advice: ?string)

        # Something is in the way: a name taken, two networks on one uplink, another daemon.
        error Conflict (object: string, cause: string, advice: ?string)

        # The host is in a state in which doing it would be dangerous.
        error Unsafe (object: string, cause: string, advice: ?string)

        # The caller may not do this.
        error PermissionDenied (object: string, cause: string, advice: ?string)

        # The kernel said no.
        error Kernel (object: string, cause: string, advice: ?string)

        # A program of the administrator's failed.
        error Script (object: string, cause: string, advice: ?string)

        # It took too long.
        error Timeout (object: string, cause: string, advice: ?string)

        # It is not built.
        error Unsupported (object: string, cause: string, advice: ?string)

        # The journal cannot be written, or does not belong to this host.
        error Journal (object: string, cause: string, advice: ?string)

        # A defect of Drawbridge.
        error Internal (object: string, cause: string, advice: ?string)

        """#
}
