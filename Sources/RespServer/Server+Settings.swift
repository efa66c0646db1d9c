// How the server follows its settings: at start, and whenever CONFIG SET changes one.

import RespCodec
import StoreEngine

extension Server {
    /// Takes over the settings as they are, and asks to be told of each change.
    func followSettings() {
        applyEngineSettings()
        applyOutputLimits()
        applyEventClasses()
        applyTrackingLimit()
        followClientMemoryLimits()
        followReturning()
        followMemoryLimit()
        configuration.onChange(of: "maxmemory") { [unowned self] _, _ in
            followClientMemoryLimits()
            followReturning()
            followMemoryLimit()
            updateGate()
            warnOfMemoryLimit()
            return nil
        }
        configuration.onChange(of: "maxmemory-clients") { [unowned self] _, _ in
            followClientMemoryLimits()
            return nil
        }
        observer.follow(configuration.settings)
        updateGate()
        configuration.onChange(
            of: "slowlog-log-slower-than", "slowlog-max-len", "commandlog-request-larger-than",
            "commandlog-large-request-max-len", "commandlog-reply-larger-than", "commandlog-large-reply-max-len",
            "latency-monitor-threshold", "latency-tracking"
        ) { [unowned self] old, new in
            observer.follow(new)
            if old.latencyTracking != new.latencyTracking {
                for record in commands.allRecords { record.handle.latencies.decideAnew() }
            }
            updateGate()
            return nil
        }
        appendOnly.followSettings()
        configuration.onChange(of: "appendfsync", "aof-timestamp-enabled") { [unowned self] _, _ in
            appendOnly.followSettings()
            return nil
        }
        configuration.onChange(of: "aof-disable-auto-gc") { [unowned self] _, _ in
            appendOnly.removeHistory()
            return nil
        }
        configuration.onChange(of: "appendonly") { [unowned self] change in
            appendOnly.follow(change.new.appendOnly, isNested: change.isNested)
        }
        configuration.onChange(of: "dir", "dbfilename", "save") { [unowned self] _, _ in
            persistence.moveOwnership()
            return nil
        }
        configuration.onChange(of: "save", "stop-writes-on-bgsave-error") { [unowned self] _, _ in
            updateGate()
            return nil
        }
        configuration.onChange(of: "script-memory-limit") { [unowned self] _, _ in
            scripts.followSettings()
            return nil
        }
        configuration.onChange(of: "client-output-buffer-limit") { [unowned self] _, _ in
            applyOutputLimits()
            return nil
        }
        configuration.onChange(ofAll: .engine) { [unowned self] _ in
            applyEngineSettings()
            return nil
        }
        configuration.onChange(of: "activedefrag") { [unowned self] _, _ in
            defragmentation.settingsChanged()
            followReturning()
            return nil
        }
        configuration.onChange(of: "notify-keyspace-events") { [unowned self] _, _ in
            applyEventClasses()
            return nil
        }
        configuration.onChange(of: "tracking-table-max-keys") { [unowned self] _, _ in
            applyTrackingLimit()
            return nil
        }
        configuration.onChange(of: "requirepass") { [unowned self] old, new in
            guard old.requirePassword.isEmpty != new.requirePassword.isEmpty else { return nil }
            for connection in connections.all { followPassword(connection) }
            return nil
        }
        configuration.onChange(of: "maxclients") { [unowned self] _, new in allowClients(new.maxClients) }
        configuration.onChange(of: "bind", "port") { [unowned self] old, new in
            let problem =
                old.port == new.port
                ? "Failed to bind to specified addresses." : "Unable to listen on this port. Check server logs."
            return listeners.move() ? nil : problem
        }
        configuration.onResetStatistics { [unowned self] in resetStatistics() }
    }

    private func applyOutputLimits() {
        let settings = configuration.settings
        replies.limits = OutputLimits(
            normal: settings.normalOutputLimit, replica: settings.replicaOutputLimit, pubsub: settings.pubsubOutputLimit
        )
    }

    private func applyEventClasses() {
        keyspaceListeners.events.classes = configuration.settings.notifyKeyspaceEvents
        keyspaceListeners.update()
    }

    private func applyTrackingLimit() {
        tracking.mostKeys = configuration.settings.trackingTableMaxKeys
        tracking.maintain()
    }

    private func applyEngineSettings() {
        let settings = configuration.settings
        var engineSettings = settings.engine
        // An offset makes a string long without sending it: no longer than half of what the machine has, whatever is allowed.
        engineSettings.maximumStringLength = min(settings.protoMaxBulkLength, SystemFacts.totalMemory / 2)
        // What only DEBUG sets stays as it is.
        engineSettings.listPlainElementSize = engine.settings.listPlainElementSize
        engineSettings.comparesChecksums = engine.settings.comparesChecksums
        engine.settings = engineSettings
        engine.accessTracking = engineSettings.evictionOrder.accessTracking
        reader.limits.bulkLength = settings.protoMaxBulkLength
    }

    private func allowClients(_ wanted: Int) -> String? {
        let allowed = listeners.raiseDescriptorLimit(clients: wanted)
        if allowed >= wanted { return nil }
        return "The operating system is not able to handle the specified number of clients, try with \(allowed)"
    }

    /// Applies the `rename-command` lines of the configuration.
    func renameCommands() throws(ConfigurationError) {
        for rename in configuration.settings.renamedCommands {
            if let problem = commands.rename(rename.name, to: rename.newName) {
                throw ConfigurationError(problem, at: rename.origin)
            }
        }
    }

    private func resetStatistics() {
        hotKeys.found?.follow(hotKeyTotals)
        hotKeys.found?.statisticsWereReset()
        statistics = ServerStatistics()
        upkeep.rates = ServerRates()
        errors.reset()
        replies.resetStatistics()
        scripts.resetStatistics()
        engine.resetStatistics()
        memoryLimit.excess.reset()
        defragmentation.resetStatistics()
        expiry.resetStatistics()
        appendOnly.resetStatistics()
        for record in commands.records {
            for each in [record] + record.subcommands { each.resetStatistics() }
        }
    }
}
