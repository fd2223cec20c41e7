import HilumCore
import HilumNN

extension MCRTrainer {
    /// Trains the steps of one round: they have the rates, masks and batches of `steps` out of a run of `total`.
    ///
    /// The optimiser begins anew in each round, for its moments are a site's own and not averaged.
    /// - Parameters:
    ///   - privately: makes the gradients; nil: those of the batches.
    ///   - done: called after each step with its losses, or nil where they are to stay unknown.
    /// - Returns: whether the round is complete.
    func trainRound(
        _ set: TrainingSet, steps: Range<Int>, of total: Int, parts: FederationSettings.Parts,
        privately: PrivateGradient?,
        interrupted: AtomicFlag?, done: (StepLosses?) -> Void
    ) throws -> Bool {
        let schedule = CosineSchedule(peak: options.peakRate, stepCount: total, warmup: options.warmup)
        let maskedSteps = maskedSteps(of: total)
        let frozen = network.layout.parameters.filter { !parts.trains($0.name) }
        let start = copy(of: values)
        step = steps.lowerBound
        while step < steps.upperBound {
            if interrupted?.isRaised == true { return false }
            let plan = plan(step, maskedSteps: maskedSteps)
            var losses: StepLosses?
            let gradients: ParameterBuffer
            if let privately {
                gradients = privately.next { samples in
                    _ = runner.run(values, batch(set, of: samples), plan)
                    return runner.gradients
                }
            } else {
                losses = runner.run(values, nextBatch(set), plan)
                gradients = runner.gradients
            }
            for parameter in frozen {
                (gradients.pointer + parameter.offset).update(repeating: 0, count: parameter.count)
            }
            // Private gradients were cut before the noise; a second cut would only take from what is left of them.
            try take(gradients, rate: schedule.rate(at: step), clip: privately == nil ? options.clip : .infinity)
            // Weight decay moves what has no gradient.
            for parameter in frozen {
                (values.pointer + parameter.offset)
                    .update(from: start.pointer + parameter.offset, count: parameter.count)
            }
            step += 1
            done(losses)
        }
        return true
    }
}
