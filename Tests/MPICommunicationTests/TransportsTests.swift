// What libraries tell of their transports.

import MPICommunication
import Testing

@Suite struct TransportsTests {
  @Test func openMPIsComponentsAreReadFromItsVariables() {
    let variables = [
      "btl", "btl_base_verbose", "btl_tcp_links", "btl_tcp_major_version", "btl_self_major_version",
      "mtl_ofi_major_version", "pml_ob1_priority", "pml_ob1_major_version",
    ]
    #expect(MPITransports.components(in: variables) == ["pml ob1", "btl self", "btl tcp"])
    // The one that uses an mtl shows it.
    #expect(
      MPITransports.components(in: [
        "pml_cm_major_version", "mtl_ofi_major_version", "btl_self_major_version",
      ])
        == ["pml cm", "mtl ofi"])
    #expect(MPITransports.components(in: []) == [])
  }

  @Test func mpichsDeviceIsReadFromItsVersion() {
    #expect(
      MPITransports.device(
        in: "MPICH Version:\t4.0.2\nMPICH Device:\tch4:ucx\nMPICH configure:\t--x\n")
        == ["device ch4:ucx"])
    #expect(MPITransports.device(in: "Open MPI v4.1.4, package: Debian") == [])
  }
}
