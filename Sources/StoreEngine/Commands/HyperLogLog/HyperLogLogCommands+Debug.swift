// PFDEBUG and PFSELFTEST: what is in a HyperLogLog, and whether the arithmetic is right on this machine.

import RespCodec

extension HyperLogLogCommands {
    static let debugging: [Command<KeyspaceContext>] = [
        Command(
            "PFDEBUG", group: .hyperloglog, since: "2.8.9", arity: 3, flags: [.write, .denyOOM, .admin, .systemOnly],
            effect: .verbatim,
            keys: [KeySpec([.rw, .access], begin: .index(2))], syntax: "subcommand key",
            summary: "Shows the registers of a HyperLogLog and how they are laid out.",
            complexity: "O(1), as the number of registers is fixed", run: debug),
        Command(
            "PFSELFTEST", group: .hyperloglog, since: "2.8.9", arity: 1, flags: [.admin, .systemOnly], syntax: "",
            summary: "Tests registers and estimates.", complexity: "O(1)", run: selfTest),
    ]

    @Sendable static func debug(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        guard let value = try context.hyperLogLog(at: arguments[2], .write) else {
            throw .message("ERR The specified key does not exist")
        }
        var reader = ArgumentReader(arguments, from: 1)
        if reader.takes("getreg") {
            _ = try makeDense(value, context, arguments)
            let registers = value.dense
            context.reply.array(HyperLogLog.registerCount)
            for index in 0..<HyperLogLog.registerCount { context.reply.integer(Int(registers[index])) }
        } else if reader.takes("decode") {
            guard let runs = value.runs else { throw .message("ERR HLL encoding is not sparse") }
            var words: [String] = []
            runs.forEachRunUnchecked { run in
                let letter = run.rank > 0 ? "v:\(run.rank)," : run.byteCount == 1 ? "z:" : "Z:"
                words.append("\(letter)\(run.count)")
            }
            context.reply.bulkString(text: words.joined(separator: " "))
        } else if reader.takes("encoding") {
            context.reply.status(value.layout == .dense ? "dense" : "sparse")
        } else if reader.takes("todense") {
            context.reply.integer(try makeDense(value, context, arguments) ? 1 : 0)
        } else {
            throw .quoting("ERR Unknown PFDEBUG subcommand '", arguments[1], "'")
        }
    }

    /// Lays the registers out densely; false if they are so already.
    private static func makeDense(
        _ value: HyperLogLogValue, _ context: KeyspaceContext, _ arguments: Arguments
    ) throws(CommandError) -> Bool {
        guard value.layout == .sparse else { return false }
        guard value.makeDense() else { throw damaged }
        context.changed(arguments[2], .pfEstimated.keepingWatches)
        return true
    }

    // MARK: self test

    /// How many elements the estimates are tested with; more only take longer.
    private static let testedElements = 100_000

    /// Works on keys of an engine of its own, so nothing of it is left.
    @Sendable static func selfTest(_ context: inout KeyspaceContext, _ arguments: Arguments) throws(CommandError) {
        try testRegisters(&context.engine.random)
        try testEstimates(context)
        context.reply.ok()
    }

    private static func testRegisters(_ random: inout RandomSource) throws(CommandError) {
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: HyperLogLog.denseSize, alignment: 8)
        defer { unsafe bytes.deallocate() }
        unsafe HyperLogLog.writeHeader(.dense, to: bytes)
        let registers = unsafe DenseRegisters(bytes)
        var expected = [UInt8](repeating: 0, count: HyperLogLog.registerCount)
        for _ in 0..<100 {
            for index in expected.indices {
                expected[index] = UInt8(random.below(64))
                registers[index] = expected[index]
            }
            var spread = SpreadRegisters()
            let isWhole = unsafe spread.unite(ByteSlice(UnsafeRawBufferPointer(bytes)))
            for index in expected.indices
            where !isWhole || registers[index] != expected[index] || spread[index] != expected[index] {
                throw .text(
                    "ERR TESTFAILED Register \(index) should be \(expected[index]) but is \(registers[index])")
            }
        }
    }

    /// Adds the same elements to a HyperLogLog that stays sparse while it can and to one that is dense from the start.
    private static func testEstimates(_ context: KeyspaceContext) throws(CommandError) {
        let engine = Engine(databases: 2)
        defer { withExtendedLifetime(engine) {} }
        func make(_ database: Int) -> HyperLogLogValue {
            KeyspaceContext(engine, database: engine.database(database), reply: context.reply).makeHyperLogLog(
                at: "test")
        }
        let sparse = make(0)
        let dense = make(1)
        _ = dense.makeDense()
        let seed = context.engine.random.next()
        var checkpoint = 1
        for number in 1...testedElements {
            let element = (0..<8).map { UInt8(truncatingIfNeeded: (UInt64(number) ^ seed) >> UInt64($0 * 8)) }
            element.withByteSlice { element in
                _ = sparse.add(element)
                _ = dense.add(element)
            }
            guard number == checkpoint else { continue }
            guard number > 1000 || sparse.layout == .sparse else {
                throw .message("ERR TESTFAILED sparse encoding not used")
            }
            sparse.forgetEstimate()
            dense.forgetEstimate()
            let estimates = (sparse.estimate()?.value, dense.estimate()?.value)
            guard let estimate = estimates.0, estimate == estimates.1 else {
                throw .message("ERR TESTFAILED dense/sparse disagree")
            }
            // Six times the standard error; among ten elements one may well be lost to another.
            let bound = number == 10 ? 1 : Int((1.04 / 128 * 6 * Double(number)).rounded(.up))
            guard abs(estimate - number) <= bound else {
                throw .text("ERR TESTFAILED Too big error. card:\(number) abserr:\(abs(estimate - number))")
            }
            checkpoint *= 10
        }
    }
}
