/// Finds what was probably meant.
enum NearMiss {
    /// The candidate that is the fewest slips of the keyboard away, if it is near enough: one in three
    /// characters, but no more than three.
    static func of(_ word: String, among candidates: some Sequence<String>) -> String? {
        let word = Array(word.lowercased().replacing("_", with: "-"))
        let limit = min(3, max(1, word.count / 3))
        var best: (candidate: String, distance: Int)?
        for candidate in candidates.sorted() {
            let distance = distance(word, Array(candidate.lowercased()))
            if distance <= limit, distance < best?.distance ?? .max { best = (candidate, distance) }
        }
        return best?.candidate
    }

    /// How many characters have to be inserted, deleted, replaced or swapped with their neighbour (the
    /// "optimal string alignment" distance).
    static func distance(_ left: [Character], _ right: [Character]) -> Int {
        guard !left.isEmpty, !right.isEmpty else { return max(left.count, right.count) }
        guard abs(left.count - right.count) <= 3 else { return .max }
        var rows: [[Int]] = [Array(0...right.count)]
        for i in 1...left.count {
            var row = [i]
            for j in 1...right.count {
                var cost = rows[i - 1][j - 1] + (left[i - 1] == right[j - 1] ? 0 : 1)
                cost = min(cost, rows[i - 1][j] + 1, row[j - 1] + 1)
                if i > 1, j > 1, left[i - 1] == right[j - 2], left[i - 2] == right[j - 1] {
                    cost = min(cost, rows[i - 2][j - 2] + 1)
                }
                row.append(cost)
            }
            rows.append(row)
        }
        return rows[left.count][right.count]
    }
}
