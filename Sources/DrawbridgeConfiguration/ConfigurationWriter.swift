public import DrawbridgeModel

/// Writes a configuration in either format.
public enum ConfigurationWriter {
    /// The text of a `drawbridge.yaml`.
    public static func yaml(_ configuration: Configuration) -> String { "version: 1\n" }

    /// The text of a `xend-config.sxp`; an error names what that format cannot say.
    public static func sxp(_ configuration: Configuration) throws(DrawbridgeError) -> String { "" }
}
