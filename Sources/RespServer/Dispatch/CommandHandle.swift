// What every request needs of its command.

import StoreEngine

/// A command, reached by an address that costs no reference count. A command lives as
/// long as its record, which its server's table keeps; there is more than one where tests make several servers.
@safe @dynamicMemberLookup struct CommandHandle {
    struct Fields {
        var calls = 0
        var cycles: UInt64 = 0
        var failedCalls = 0
        /// How long its calls took.
        var latencies = LatencyHistogram()
        let arity: Int
        /// The place of the key, or of the first one, where that is found by its index; else 0.
        let firstKey: Int
        /// The place of a member or field that it looks for in the key's value; 0 if there is none.
        let member: Int
        let flags: CommandFlags
        let keys: KeySpecs
        /// How it tells what it did.
        let effect: CommandEffect
        let function: Command<KeyspaceContext>.Run?
        let session: Command<SessionContext>.Run?
        /// It has a function of its own on the session, and where no gate is closed nothing is to be looked at before it.
        let runsOnSession: Bool
        unowned(unsafe) let owner: CommandRecord
    }

    private let fields: UnsafeMutablePointer<Fields>

    /// Room for a command. Nobody may look at it before `initialize`.
    @unsafe init() { unsafe fields = .allocate(capacity: 1) }

    /// To be called once, before anybody looks.
    @unsafe func initialize(to initial: Fields) { unsafe fields.initialize(to: initial) }

    /// To be called when nobody has the command any more.
    @unsafe func deallocate() {
        unsafe self.keys.deallocate()
        self.latencies.reset()
        unsafe fields.deinitialize(count: 1)
        unsafe fields.deallocate()
    }

    /// Its function, if it works on data. No key path leads to a function as it lies in memory.
    @inline(__always) var data: Command<KeyspaceContext>.Run? { unsafe fields.pointee.function }

    /// Its function on the session, if it has one.
    @inline(__always) var session: Command<SessionContext>.Run? { unsafe fields.pointee.session }

    /// All else that is known of it.
    @inline(__always) var record: CommandRecord { unsafe fields.pointee.owner }

    // Addresses, so that a field that is an object is used without a reference count.

    subscript<Value>(dynamicMember path: KeyPath<Fields, Value>) -> Value {
        @inline(__always) unsafeAddress { unsafe UnsafePointer(fields).pointer(to: path)! }
    }

    subscript<Value>(dynamicMember path: WritableKeyPath<Fields, Value>) -> Value {
        @inline(__always) unsafeAddress { unsafe UnsafePointer(fields).pointer(to: path)! }
        @inline(__always) nonmutating unsafeMutableAddress { unsafe fields.pointer(to: path)! }
    }

    /// Whether it takes `count` arguments, its name included.
    @inline(__always) func accepts(_ count: Int) -> Bool {
        let arity = self.arity
        return arity >= 0 ? count == arity : count >= -arity
    }
}
