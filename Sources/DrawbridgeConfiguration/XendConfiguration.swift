public import DrawbridgeModel

/// Reads xend's own file.
public enum XendConfiguration {
    /// Reads a text.
    public static func parse(_ text: String, file: String) throws(ConfigurationError) -> (
        Configuration, [Diagnostic]
    ) {
        (Configuration(), [])
    }
}
