/// The names by which the API is found.
public enum API {
    /// The interface that `Interfaces/io.drawbridge.varlink` describes.
    public static let interface = "io.drawbridge"
    /// Where the daemon listens unless told otherwise.
    public static let defaultSocket = "/run/drawbridge/io.drawbridge"
    /// The version of the product, which all programs of one build share.
    public static let version = "0.1.0"

    /// The direct socket that belongs to a Varlink socket: for messages with descriptors.
    public static func directSocket(of socket: String) -> String { socket + ".direct" }
}
