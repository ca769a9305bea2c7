import DrawbridgeModel
import NetworkTypes
import Testing

@Suite struct ScriptArgumentsTests {
    @Test("§7-1: the command is the first argument without '=', wherever it stands")
    func command() {
        for arguments in [["bridge=xenbr1", "online"], ["online", "bridge=xenbr1"]] {
            let read = ScriptArguments(arguments)
            #expect(read.command == "online")
            #expect(read["bridge"] == "xenbr1")
            #expect(read.ignored.isEmpty)
        }
        #expect(ScriptArguments([]).command == nil)
        #expect(ScriptArguments(["a=b"]).command == nil)
        #expect(ScriptArguments(["start", "stop"]).ignored == ["stop"])
    }

    @Test("§7-2: of two values for one key the last one wins")
    func lastWins() {
        #expect(ScriptArguments(["key=a", "key=b"])["key"] == "b")
        #expect(ScriptArguments(["key=a", "key=b"]).keys == ["key"])
        #expect(ScriptArguments(["key=a=b"])["key"] == "a=b")
        #expect(ScriptArguments(["key="])["key"] == "")
    }

    @Test("§7-4: nothing is evaluated, and unknown keys are accepted and told")
    func notEvaluated() {
        let read = ScriptArguments(["online", "x=$(touch /tmp/pwn)", "bridge=`id`", "=v", "a-b=c", "1a=c"])
        #expect(read["x"] == "$(touch /tmp/pwn)")
        #expect(read["bridge"] == "`id`")
        #expect(read.ignored == ["=v", "a-b=c", "1a=c"])
        #expect(
            read.notices(knowing: ["bridge"]) == [
                "argument 'x=$(touch /tmp/pwn)' is not known; ignored",
                "argument '=v' is not understood; ignored",
                "argument 'a-b=c' is not understood; ignored", "argument '1a=c' is not understood; ignored",
            ])
    }
}
