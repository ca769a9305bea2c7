import Nftables

extension FilterTable {
    /// What is said of the table, by which a ruleset of another version is known: a number made of all of it.
    static func comment(_ hooks: FilterLayout.Hooks) -> String {
        hooks == .shared ? sharedComment : perVifComment
    }

    private static let sharedComment = makeComment(.shared)
    private static let perVifComment = makeComment(.perVif)

    private static func makeComment(_ hooks: FilterLayout.Hooks) -> String {
        var transaction = NftablesTransaction()
        transaction.addFilter(elements: [:], devices: [], hooks)
        return "drawbridge " + String(transaction.fingerprint, radix: 16)
    }

    /// The sets that packets fill.
    static let filledByPackets: Set<String> = [
        pins.definition.name, taken.definition.name, choosers.definition.name,
    ]
}

extension NftablesTransaction {
    /// Adds the sets, chains and rules of the filter to its table, with what the sets hold.
    ///
    /// The base chain comes last: from the moment of this request until the transaction is done the kernel drops what
    /// comes in by its devices, as its policy says, since its rules count only from the end of the transaction.
    mutating func addFilter(
        elements: [String: [SetElement]], devices: [String], _ hooks: FilterLayout.Hooks
    ) {
        let table = FilterTable.table
        for set in FilterTable.sets { add(set) }
        let chains = FilterRules.chains
        for chain in chains { add(ChainDefinition(chain.name, in: table)) }
        for set in FilterTable.sets { add(elements[set.name] ?? [], to: set.name, of: table) }
        for chain in chains {
            for rule in chain.rules { add(rule: rule, to: chain.name, of: table) }
        }
        add(FilterTable.guests(hooks))
        for rule in FilterRules.base { add(rule: rule, to: FilterTable.guests.name, of: table) }
        hook(devices, hooks)
    }

    /// Makes every rule of the filter anew, and nothing else.
    mutating func renewFilterRules(_ hooks: FilterLayout.Hooks) {
        let table = FilterTable.table
        for chain in FilterRules.chains + [
            FilterChain(name: FilterTable.guests.name, rules: FilterRules.base)
        ] {
            delete(rule: nil, of: chain.name, of: table)
            for rule in chain.rules { add(rule: rule, to: chain.name, of: table) }
        }
    }
}
