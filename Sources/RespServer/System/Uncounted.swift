// References that are not counted.

/// An object that somebody else keeps, used without its references being counted: a count is an atomic operation, and a few of them cost
/// as much as a short command.
@safe struct Uncounted<Object: AnyObject> {
    private let reference: Unmanaged<Object>

    /// - Parameter object: to be kept by somebody as long as this is used.
    @unsafe @inline(__always)
    init(_ object: Object) { unsafe reference = .passUnretained(object) }

    /// The object, counted as long as it is in use.
    @inline(__always) var object: Object { unsafe reference.takeUnretainedValue() }

    /// Does something with it.
    @inline(__always)
    func use<Value>(_ body: (Object) -> Value) -> Value { unsafe reference._withUnsafeGuaranteedRef(body) }

    /// Does something with it that may fail.
    @inline(__always)
    func use<Value, Failure: Error>(_ body: (Object) throws(Failure) -> Value) throws(Failure) -> Value {
        let outcome: Result<Value, Failure> = use {
            do throws(Failure) { return .success(try body($0)) } catch { return .failure(error) }
        }
        return try outcome.get()
    }
}
