/// A plan as a person reads it first: what repeats itself is put into one line.
extension OutcomeReport {
    /// The plan with each long run of like steps in few lines.
    ///
    /// Settings of one link are counted (`set 40 settings of xenbr0`); of other steps of one kind that follow each
    /// other, such as routes, the first three stand for all. Whatever is unlike its neighbours stays as it is.
    public var foldedPlan: [String] {
        var lines: [String] = []
        var rest = plan[...]
        while let first = rest.first {
            let kind = StepKind(first)
            let run = rest.prefix { StepKind($0) == kind }
            rest = rest.dropFirst(run.count)
            switch kind {
            case .setting(let link) where run.count > 3: lines.append("set \(run.count) settings of \(link)")
            case .other(let words) where run.count > 8:
                lines += run.prefix(3)
                lines.append("\(words): \(run.count - 3) more")
            default: lines += run
            }
        }
        return lines
    }
}

/// What a line of a plan is about, as far as that makes it like others.
private enum StepKind: Equatable {
    /// `set ipv4.forwarding of eth0 to 0`.
    case setting(link: String)
    /// `replace route …`, `add address …`, by its first words.
    case other(String)

    init(_ line: String) {
        let words = line.split(separator: " ")
        if words.count >= 5, words[0] == "set", words[2] == "of", words[4] == "to" {
            self = .setting(link: String(words[3]))
        } else if words.count > 1, words[1].contains("/") {
            self = .other("\(words[0]) address")
        } else if words.count > 1, ["route", "neighbour", "nexthop"].contains(words[1]) {
            self = .other("\(words[0]) \(words[1])")
        } else {
            self = .other(line)
        }
    }
}
