// The division of a host's cores among its ranks.

import Communication
import Testing

@Suite struct ThreadBudgetTests {
  private func budget(
    own: Int = 0, ranks: [Range<Int>], hostCores: Int, processorLimit: Double? = nil
  ) -> ThreadBudget {
    let sets = ranks.map { CoreSet($0) }
    return ThreadBudget(
      own: sets[own], localRanks: sets, reachable: CoreSet(0..<hostCores),
      processorLimit: processorLimit)
  }

  @Test func sharedCoresAreDivided() {
    #expect(budget(ranks: [0..<8], hostCores: 8).threads == 8)
    #expect(budget(ranks: [0..<8, 0..<8], hostCores: 8).threads == 4)
    #expect(budget(ranks: [0..<9, 0..<9, 0..<9], hostCores: 9).threads == 3)
    #expect(budget(ranks: [0..<2, 0..<2, 0..<2], hostCores: 2).threads == 1)
    #expect(budget(ranks: [0..<2, 0..<2, 0..<2], hostCores: 2).warning == nil)
  }

  @Test func boundCoresAreARanksOwn() {
    let halves = [0..<4, 4..<8]
    for own in 0..<2 {
      #expect(budget(own: own, ranks: halves, hostCores: 8).threads == 4)
    }
    #expect(budget(ranks: halves, hostCores: 8).warning == nil)
    // Two ranks bound to each of two packages.
    #expect(budget(ranks: [0..<4, 0..<4, 4..<8, 4..<8], hostCores: 8).threads == 2)
  }

  @Test func unusedCoresAreNamed() throws {
    let piled = budget(ranks: [0..<1, 0..<1], hostCores: 8)
    #expect(piled.threads == 1)
    let warning = try #require(piled.warning)
    #expect(warning.contains("the 2 ranks on this host may use 1 core of 8"))
    #expect(warning.contains("--bind-to none"))
    #expect(budget(ranks: [0..<1, 1..<2], hostCores: 8).warning != nil)
  }

  @Test func processorLimitIsDivided() {
    let limited = budget(ranks: [0..<8, 0..<8], hostCores: 8, processorLimit: 4)
    #expect(limited.threads == 2)
    #expect(budget(ranks: [0..<8], hostCores: 8, processorLimit: 0.5).threads == 1)
    // One core bound, and time for no more than one.
    #expect(budget(ranks: [0..<1], hostCores: 8, processorLimit: 1.5).warning == nil)
  }

  @Test func thisProcessIsMeasured() throws {
    let before = CoreSet.allowed
    let budget = try ThreadBudget.measure(for: SoloCommunicator())
    #expect(CoreSet.allowed == before, "the binding is restored")
    #expect(budget.allowedCores == before.cores.count)
    #expect(budget.hostCores >= budget.allowedCores)
    #expect(budget.threads >= 1 && budget.threads <= budget.allowedCores)
  }
}
