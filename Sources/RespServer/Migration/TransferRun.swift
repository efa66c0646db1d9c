// The thread's side of a MIGRATE: connecting, sending and reading answers, with time limits.
//
//     connect --> log in, select the database --> send the requests of keys, and read answers as they come --> over
//
// Answers are read while requests are still sent: a server that is not read from may stop reading. Keys are sent only when the database has
// been selected, so that none gets to another one.
//
// A connection that breaks before any key's request was answered is tried once more: one that was kept may have been closed by the other side. As
// Redis does, a new one is, too, but not where the time was over.

import Glibc
import RespCodec

final class TransferRun {
    private enum Failure: Error {
        case unconnected
        case broken(whileWriting: Bool, mayRetry: Bool)
        case cancelled
    }

    /// How many bytes are sent before answers are looked for.
    private static let mostSent = 1 << 20

    private let transfer: KeyTransfer
    private var descriptor: Int32 = -1
    private var replies = TargetReplies()
    private var room = [UInt8](repeating: 0, count: 16 << 10)

    /// What is to be sent, and how far that is.
    private var parts: [TransferPart] = []
    private var next = 0
    private var offset = 0
    /// How many requests have been sent whole, and how many of these are in the part that is being sent.
    private var sent = 0
    private var sentOfPart = 0
    /// How many answers are to come for what is or was in `parts`, and how many have.
    private var expected = 0
    private var received = 0
    /// The first error of this attempt.
    private var refusal: [UInt8]?
    private var deadline = TargetSocket.Deadline(0)

    init(_ transfer: KeyTransfer) { self.transfer = transfer }

    /// Goes through with it. To be called once.
    func run() {
        var kept = transfer.kept
        var attempts = 2
        while true {
            attempts -= 1
            do throws(Failure) {
                let socket = try attempt(kept)
                return transfer.finish(.answered, socket)
            } catch {
                if descriptor >= 0 { transfer.close(descriptor) }
                descriptor = -1
                kept = nil
                switch error {
                case .broken(_, mayRetry: true) where attempts > 0: continue
                case .broken(let whileWriting, _): return transfer.finish(.broken(whileWriting: whileWriting), nil)
                case .unconnected: return transfer.finish(.unconnected, nil)
                case .cancelled: return transfer.finish(.broken(whileWriting: false), nil)
                }
            }
        }
    }

    /// - Returns: the connection, if it can be used again.
    private func attempt(_ kept: KeptSocket?) throws(Failure) -> KeptSocket? {
        replies = TargetReplies()
        refusal = nil
        var database: Int?
        if let kept, TargetSocket.isQuiet(kept.descriptor) {
            descriptor = kept.descriptor
            database = kept.database
        } else {
            if let kept { Glibc.close(kept.descriptor) }
            descriptor = try connect()
        }
        guard transfer.use(descriptor) else { throw .cancelled }
        let target = transfer.target
        let greeting = TransferPart()
        for words in [
            target.login, database == target.database ? [] : [Array("SELECT".utf8), Self.text(target.database)],
        ]
        where !words.isEmpty {
            greeting.writer.array(words.count)
            for word in words { greeting.writer.bulkString(word) }
            greeting.endRequest()
        }
        if greeting.requestCount > 0 {
            let keys = parts
            begin([greeting])
            defer { parts = keys }
            do throws(Failure) {
                try exchange(isGreeting: true)
            } catch {
                guard case .broken(let whileWriting, true) = error else { throw error }
                // Nothing was sent of any key.
                refusal = nil
                throw .broken(whileWriting: whileWriting, mayRetry: true)
            }
            if let refusal {
                transfer.note([], refusal: refusal)
                return keptSocket(nil)
            }
        }
        begin(parts)
        try exchange(isGreeting: false)
        return keptSocket(refusal == nil ? target.database : nil)
    }

    private static func text(_ number: Int) -> [UInt8] { Array(String(number).utf8) }

    /// What has come that nobody asked for would be taken for the next answer.
    private func keptSocket(_ database: Int?) -> KeptSocket? {
        guard replies.isWithinLine else { return KeptSocket(descriptor: descriptor, database: database) }
        transfer.close(descriptor)
        return nil
    }

    private func connect() throws(Failure) -> Int32 {
        let target = transfer.target
        do throws(TargetSocket.ConnectFailure) {
            return try TargetSocket.connect(
                host: target.host, port: target.port, milliseconds: target.timeoutMilliseconds, signal: transfer.signal
            ) { transfer.isCancelled }
        } catch {
            switch error {
            case .unreachable, .timedOut: throw .unconnected
            // As in Redis, which finds out when it writes.
            case .refused: throw .broken(whileWriting: true, mayRetry: true)
            case .interrupted: throw .cancelled
            }
        }
    }

    // MARK: requests and answers

    private func begin(_ parts: [TransferPart]) {
        self.parts = parts
        next = 0
        offset = 0
        sent = 0
        sentOfPart = 0
        received = 0
        expected = parts.reduce(0) { $0 + $1.requestCount }
        restartTime()
    }

    private func restartTime() { deadline = TargetSocket.Deadline(transfer.target.timeoutMilliseconds) }

    private var hasUnsent: Bool { next < parts.count }

    /// Sends what there is to send and reads the answers, until all have come.
    private func exchange(isGreeting: Bool) throws(Failure) {
        var isComplete = isGreeting
        while true {
            if !isGreeting {
                let news = transfer.takeParts()
                if news.isCancelled { throw .cancelled }
                if !hasUnsent && received == expected { restartTime() }
                parts += news.parts
                expected += news.parts.reduce(0) { $0 + $1.requestCount }
                isComplete = news.isComplete
            }
            let isBusy = hasUnsent || received < expected
            if isComplete && !isBusy { return }
            let readiness = TargetSocket.wait(
                for: descriptor, writing: hasUnsent, transfer.signal, isBusy ? deadline : nil)
            if readiness.isTimeOver { throw .broken(whileWriting: hasUnsent, mayRetry: false) }
            if readiness.isSignalled {
                transfer.signal.take()
                if transfer.isCancelled { throw .cancelled }
            }
            if readiness.isReadable { try read(isGreeting) }
            if readiness.isWritable && hasUnsent && !send() {
                // What was answered before counts.
                while try read(isGreeting) {}
                throw .broken(whileWriting: true, mayRetry: received == 0)
            }
            if !isGreeting && received > 0 { free() }
        }
    }

    /// - Returns: false if nothing had come.
    @discardableResult
    private func read(_ isGreeting: Bool) throws(Failure) -> Bool {
        let transferred = unsafe room.withUnsafeMutableBytes {
            unsafe Syscall.read(descriptor, $0.baseAddress!, $0.count)
        }
        guard case .bytes(let count) = transferred else {
            if transferred == .wouldBlock { return false }
            throw .broken(whileWriting: hasUnsent, mayRetry: isGreeting || received == 0)
        }
        var isMalformed = false
        var verdicts: [Bool] = []
        for line in unsafe room.withUnsafeBytes({
            unsafe replies.take(ByteSlice(UnsafeRawBufferPointer(rebasing: $0[0..<count])))
        }) {
            // Nobody has asked for this one.
            if received + verdicts.count == expected { isMalformed = true }
            if isMalformed { break }
            switch line {
            case .acknowledged:
                // Nobody can have what was not sent. An error may come before all of its request is there.
                if received + verdicts.count < sent { verdicts.append(true) } else { isMalformed = true }
            case .refused(let text):
                verdicts.append(false)
                if refusal == nil { refusal = text }
            case .malformed: isMalformed = true
            }
        }
        // The beginning of a line is no answer: it could take any time to become one.
        if !verdicts.isEmpty { restartTime() }
        received += verdicts.count
        if !isGreeting { transfer.note(verdicts, refusal: refusal) }
        if isMalformed { throw .broken(whileWriting: false, mayRetry: false) }
        return true
    }

    /// - Returns: false if the connection takes no more.
    private func send() -> Bool {
        var left = Self.mostSent
        while hasUnsent && left > 0 {
            let writer = parts[next].writer
            let bytes = writer.written(offset..<min(writer.count, offset + left))
            switch unsafe Syscall.send(descriptor, bytes.rawBytes.baseAddress!, bytes.count) {
            case .bytes(let count):
                restartTime()
                left -= count
                offset += count
                let ends = parts[next].ends
                while sentOfPart < ends.count && ends[sentOfPart] <= offset {
                    sentOfPart += 1
                    sent += 1
                }
                if offset == writer.count {
                    next += 1
                    offset = 0
                    sentOfPart = 0
                }
            case .wouldBlock: return true
            case .ended, .failed: return false
            }
        }
        return true
    }

    /// Frees what was sent.
    private func free() {
        guard next > 0 else { return }
        let byteCount = parts[0..<next].reduce(0) { $0 + $1.byteCount }
        parts.removeFirst(next)
        next = 0
        transfer.freed(byteCount)
    }
}
