# A recipe for Spack. From a clone of the repository:
#
#   spack repo add packaging/spack
#   spack dev-build unet-dist@main
#
# Swift is no package of Spack's: version 6.2 or newer has to be on the PATH.

from spack.package import *


class UnetDist(Package):
    """A trainer for the U-Net that runs as one process or as many MPI ranks, on CPUs."""

    license("Apache-2.0")

    version("main", branch="main")

    variant("static", default=True, description="Link Swift's libraries into the program")

    depends_on("c", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("mpi@3:")
    depends_on("openblas threads=pthreads")
    depends_on("libpng")
    depends_on("libtiff@4.5:")
    depends_on("jpeg")
    depends_on("openjpeg@2.5:")
    depends_on("libdeflate")
    depends_on("zlib-api")
    depends_on("openssl@3:")

    conflicts("target=aarch64:", msg="the kernels are made for x86-64")

    def setup_build_environment(self, env):
        # Spack's names of processors are the compiler's, as far as both know them.
        env.set("UNET_DIST_MARCH", str(self.spec.target))
        env.set("UNET_DIST_MPI", "mpich" if self.spec.satisfies("^mpich") else "ompi-c")
        # The compiler of Swift does not go through Spack's wrapper, and codecs have no pkg-config names in
        # the manifest.
        for name in ["libpng", "libtiff", "jpeg", "libdeflate"]:
            env.append_path("CPATH", self.spec[name].prefix.include)
            env.append_path("LIBRARY_PATH", self.spec[name].prefix.lib)

    def install(self, spec, prefix):
        swift = which("swift", required=True)
        options = ["--configuration", "release", "--product", "unet-dist", "--disable-sandbox"]
        if spec.satisfies("+static"):
            options.append("--static-swift-stdlib")
        for name in [
            "mpi", "openblas", "libpng", "libtiff", "jpeg", "openjpeg", "libdeflate", "zlib-api", "openssl",
        ]:
            options += ["-Xlinker", f"-rpath={spec[name].prefix.lib}"]
        swift("build", *options)
        folder = swift("build", *options, "--show-bin-path", output=str).strip()

        mkdirp(prefix.bin, prefix.share.man.man1)
        install(join_path(folder, "unet-dist"), prefix.bin)
        program = Executable(prefix.bin.join("unet-dist"))
        with open(prefix.share.man.man1.join("unet-dist.1"), "w") as page:
            page.write(program("manual", output=str))
        completions = prefix.share.join("bash-completion").completions
        mkdirp(completions)
        with open(completions.join("unet-dist"), "w") as script:
            script.write(program("--generate-completion-script", "bash", output=str))

    def test_training(self):
        """two steps of training on synthetic cells"""
        program = which(self.prefix.bin.join("unet-dist"), required=True)
        program("train", "--steps", "2", "--base-channels", "4", "--depth", "2", "--tile", "64", "--padding",
                "mirror", "--output", "run")
