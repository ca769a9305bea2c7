public import DrawbridgeModel

/// A configuration that was read, and what there is to say about it.
public struct LoadedConfiguration: Hashable, Sendable {
    /// What the file says.
    public var configuration: Configuration
    /// The file.
    public var path: String
    /// The format it is written in.
    public var format: ConfigurationFormat
    /// Warnings and notes, in the order of the file; never an error.
    public var diagnostics: [Diagnostic]

    /// Makes one.
    public init(
        _ configuration: Configuration, path: String, format: ConfigurationFormat,
        diagnostics: [Diagnostic] = []
    ) {
        self.configuration = configuration
        self.path = path
        self.format = format
        self.diagnostics = diagnostics
    }
}

/// The two formats.
public enum ConfigurationFormat: String, Hashable, Sendable, Codable, CaseIterable {
    /// `xend-config.sxp`.
    case sxp
    /// `drawbridge.yaml`.
    case yaml

    /// The format of a file: by its suffix, else by whether its first character, blanks and comments aside, is
    /// a parenthesis.
    public init(path: String, text: String) {
        if path.hasSuffix(".sxp") {
            self = .sxp
        } else if path.hasSuffix(".yaml") || path.hasSuffix(".yml") {
            self = .yaml
        } else {
            let first = text.split(whereSeparator: \.isNewline)
                .lazy.compactMap { $0.first { !$0.isWhitespace } }.first { $0 != "#" }
            self = first == "(" ? .sxp : .yaml
        }
    }
}

/// Finds the configuration file and reads it.
public enum ConfigurationLoader {
    /// Where the file was named.
    public enum Choice: Hashable, Sendable {
        /// On the command line: it has to be there.
        case explicit(String)
        /// In `XEND_CONFIG`, or nowhere, so that it is one of the two defaults.
        case standard(String)

        /// The file.
        public var path: String {
            switch self {
            case .explicit(let path), .standard(let path): path
            }
        }
    }

    /// The native file.
    public static let nativePath = "/etc/drawbridge/drawbridge.yaml"
    /// The file of xend.
    public static let xendPath = "/etc/xen/xend-config.sxp"
    /// The most octets a file may have.
    public static let maximumSize = 1 << 20

    /// Which file is read: the one named on the command line, else the one in `XEND_CONFIG`, else the native
    /// one if it is there, else that of xend.
    public static func choose(
        path: String?, environment: [String: String], exists: (String) -> Bool = { fileExists($0) }
    ) -> Choice {
        if let path { return .explicit(path) }
        if let path = environment["XEND_CONFIG"], !path.isEmpty { return .standard(path) }
        return .standard(exists(nativePath) ? nativePath : xendPath)
    }

    /// Finds the file and reads it.
    ///
    /// A file named on the command line has to be there. Where none was named and there is none, the defaults
    /// hold and a note says so, as with xend.
    ///
    /// - Parameter path: The file named on the command line.
    /// - Parameter environment: Read for `XEND_CONFIG`.
    /// - Parameter readFile: Reads a file; nil if there is none of that name.
    public static func load(
        path: String?, environment: [String: String], exists: (String) -> Bool = { fileExists($0) },
        readFile: (String) throws(ConfigurationError) -> String? = { path throws(ConfigurationError) in
            try readConfigurationFile(path)
        }
    ) throws(ConfigurationError) -> LoadedConfiguration {
        let choice = choose(path: path, environment: environment, exists: exists)
        if let text = try readFile(choice.path) { return try parse(text, path: choice.path) }
        switch choice {
        case .explicit(let path):
            throw ConfigurationError(Diagnostic(.error, file: path, "Config file does not exist"))
        case .standard(let path):
            return LoadedConfiguration(
                Configuration(), path: path, format: ConfigurationFormat(path: path, text: ""),
                diagnostics: [
                    Diagnostic(
                        .note, file: path, "Config file does not exist: \(path); the defaults hold")
                ])
        }
    }

    /// Reads a text in the format that its path or its content tells.
    public static func parse(_ text: String, path: String) throws(ConfigurationError) -> LoadedConfiguration {
        let format = ConfigurationFormat(path: path, text: text)
        let (configuration, diagnostics) =
            switch format {
            case .sxp: try XendConfiguration.parse(text, file: path)
            case .yaml: try YAMLConfiguration.parse(text, file: path)
            }
        return LoadedConfiguration(configuration, path: path, format: format, diagnostics: diagnostics)
    }
}
