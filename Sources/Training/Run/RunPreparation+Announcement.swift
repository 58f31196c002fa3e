// Messages before the first step of a run: data, network, ranks, and what may differ.

import Checkpoints
import Communication
import Configuration
import Datasets
import Foundation
import Kernels
import Logging
import Network
import Tensors
import Threading

extension RunPreparation {
  /// Says what is trained on what, and what may differ from the run that is resumed.
  func announce() throws {
    let (data, sampler, tile) = (plan.data, plan.sampler, plan.tile)
    let (configuration, logger) = (plan.configuration, plan.logger)
    let mapping = data.dataset.mapping
    for note in data.notes { logger.info("\(note)") }
    logger.info("\(mapping.table)")
    if let ignored = mapping.ignored {
      let share =
        100 * Double(mapping.ignoredPixelCount)
        / Double(
          max(1, mapping.classes.reduce(mapping.ignoredPixelCount) { $0 + $1.pixelCount }))
      if mapping.ignoredPixelCount > 0 {
        logger.info(
          "ignored: the value \(ignored), \(String(format: "%.2f", share)) % of the pixels")
      } else if configuration.ignore != nil {
        logger.warning("no mask has the value \(ignored), which --ignore names")
      } else {
        logger.info("ignored: the value \(ignored), as the set says; no mask has it")
      }
    }
    for warning in mapping.warnings { logger.warning("\(warning)") }
    if !configuration.provenance.reasons.isEmpty {
      let lines = TrainingOption.all.compactMap { option in
        configuration.provenance.reasons[option.name].map {
          "  --\(option.name) \(option.text(configuration) ?? ""): \($0)"
        }
      }
      logger.info(
        "chosen by --preset \(configuration.preset.rawValue):\n\(lines.joined(separator: "\n"))")
    }
    if configuration.loss == .dice,
      configuration.classWeights != .none || configuration.weightMap != .none
    {
      logger.warning(
        """
        --loss dice knows no weights: --class-weights only leaves out classes of weight 0, and \
        --weight-map has no effect
        """)
    }
    if configuration.optimizer != .sgd {
      for option in ["nesterov", "momentum"] where configuration.provenance.isByHand(option) {
        logger.warning(
          "--\(option) has no effect with --optimizer \(configuration.optimizer.rawValue): it is one of sgd"
        )
      }
    }
    if let step = configuration.augment.first(where: { $0.kind == .saturation }),
      data.dataset.channels != 3
    {
      logger.warning(
        "--augment \(step.kind.rawValue) has no effect: the images have \(data.dataset.channels) channels, not 3"
      )
    }
    let batch = configuration.globalBatch ?? communicator.size
    if communicator.size > batch {
      logger.warning(
        """
        \(communicator.size) ranks for batches of \(batch): \(communicator.size - batch) have no \
        sample; start fewer ranks with more threads each, or give --global-batch \(communicator.size)
        """)
    }
    let synthetic =
      configuration.data == nil && configuration.images == nil ? " (built-in synthetic cells)" : ""
    logger.info(
      """
      \(data.trainingIDs.count) images to train on, \(data.validationIDs.count) to validate \
      on\(synthetic); an epoch is \(sampler.drawsPerEpoch) tiles in \(sampler.stepsPerEpoch) steps
      """)
    logger.info(
      """
      \(step.network.layout.count) parameters; tiles of \(tile.inputSide), output \
      \(tile.outputSide); activations take \(step.activationByteCount >> 20) MiB a rank\
      \(plan.recomputation.levels == 0
        ? "" : ", those of \(plan.recomputation.levels) levels being computed again")
      """)
    let ranks = communicator.size == 1 ? "1 rank" : "\(communicator.size) ranks"
    logger.info(
      """
      \(ranks), \(plan.team.count) of \(plan.budget.hostCores) cores each, matrix kernels \
      \(MatrixProduct.kernels)
      """)
    if let resumed = start {
      let arithmetic = try ArithmeticProbe.digest
      let place = keptIn.map { ", whose state was kept in \($0)" } ?? ""
      logger.info("continuing after step \(resumed.step)\(place)")
      if resumed.matrixKernels != MatrixProduct.kernels {
        logger.warning(
          """
          the checkpoint was made with matrix kernels \(resumed.matrixKernels), so the bits will \
          differ from those of an uninterrupted run; set UNET_DIST_BLAS_KERNELS to get the same
          """)
      } else if let before = resumed.arithmetic, before != arithmetic {
        logger.warning(
          """
          the checkpoint was made by a build or a machine that rounds differently (arithmetic \
          \(before), here \(arithmetic)), so the bits will differ from those of \
          an uninterrupted run; build with the same UNET_DIST_MARCH and compiler to get the same
          """)
      }
    }
  }
}
