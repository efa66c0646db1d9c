// The arguments that the process was started with, and a way to hide those that are secrets.
//
// Swift's `CommandLine` reads /proc/self/cmdline. Where there is no /proc, as in a bare chroot, it is empty, and a
// password given as an option would be ignored in silence. So the arguments are taken where C's `main` has them from:
// glibc calls each function in the section .init_array with the count and the vector of arguments and the environment,
// before `main`.
//
// The vector is also what others see of the process (`ps`, /proc/PID/cmdline), so a secret is hidden by overwriting it
// there.

import Glibc

public enum ProcessArguments {
    /// Written once, before `main` is entered.
    nonisolated(unsafe) fileprivate static var count: CInt = 0
    nonisolated(unsafe) fileprivate static var vector: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = nil

    /// The arguments without the name of the program, as bytes: copies of what they are at the time of the call.
    public static var current: [[UInt8]] {
        (1..<max(1, Int(unsafe count))).compactMap { index in
            guard let text = unsafe vector?[index] else { return nil }
            return unsafe Array(UnsafeRawBufferPointer(start: text, count: strlen(text)))
        }
    }

    /// The name that the program was started under, a path or not; empty if it was given none.
    public static var name: String {
        guard unsafe count > 0, let text = unsafe vector?[0] else { return "" }
        return unsafe String(cString: text)
    }

    /// The end of an argument that is nobody else's business.
    public struct Secret: Equatable, Sendable {
        /// Counted from 0, without the name of the program.
        public let argument: Int
        /// Which bytes of the argument.
        public let range: Range<Int>

        public init(argument: Int, range: Range<Int>) {
            self.argument = argument
            self.range = range
        }
    }

    /// Replaces each byte of `secrets` by a star, for all who look at the process.
    ///
    /// What was there before can be seen for the moment between the start of the process and this call.
    public static func hide(_ secrets: [Secret]) {
        for secret in secrets where secret.argument + 1 < Int(unsafe count) {
            guard let text = unsafe vector?[secret.argument + 1] else { continue }
            let range = unsafe secret.range.clamped(to: 0..<strlen(text))
            unsafe memset(text + range.lowerBound, CInt(UInt8(ascii: "*")), range.count)
        }
    }
}

@section(".init_array") @used
private let keepArguments:
    @convention(c) (
        CInt, UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?, UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
    ) -> Void = { count, vector, _ in
        unsafe ProcessArguments.count = count
        unsafe ProcessArguments.vector = unsafe vector
    }
