import ArgumentParser
import DrawbridgeAPI
import DrawbridgeConfiguration
import DrawbridgeModel

/// `drawbridge config convert`. Needs no daemon.
struct ConfigConvert: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "convert", abstract: "Write a configuration in the other format, to standard output.")

    @Argument(help: "The file; without it the one that the daemon would read.")
    var file: String?
    @Option(help: "The format to write: yaml or sxp; the other one without.")
    var to: String?

    func run() throws {
        let target = try to.map { text throws(CommandFailure) in
            guard let format = ConfigurationFormat(rawValue: text) else {
                throw CommandFailure(.usage, "format '\(text)': is neither yaml nor sxp")
            }
            return format
        }
        let loaded: LoadedConfiguration
        do throws(ConfigurationError) {
            loaded = try loadConfiguration(file)
        } catch {
            throw CommandFailure(.invalidConfiguration, error.drawbridgeError.description)
        }
        let text: String
        switch target ?? (loaded.format == .yaml ? .sxp : .yaml) {
        case .yaml: text = ConfigurationWriter.yaml(loaded.configuration)
        case .sxp:
            do throws(DrawbridgeError) {
                text = try ConfigurationWriter.sxp(loaded.configuration)
            } catch {
                throw CommandFailure(.invalidConfiguration, error.description)
            }
        }
        Terminal.say(text.hasSuffix("\n") ? String(text.dropLast()) : text)
        Terminal.warn(loaded.diagnostics.map(\.description))
    }
}
