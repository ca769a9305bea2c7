public import DrawbridgeModel

/// Reads the native file.
public enum YAMLConfiguration {
    /// Reads a text.
    public static func parse(_ text: String, file: String) throws(ConfigurationError) -> (
        Configuration, [Diagnostic]
    ) {
        (Configuration(), [])
    }
}
