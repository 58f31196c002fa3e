#%Module
# A modulefile for Environment Modules, and for Lmod. It finds the program from where it lies itself:
# PREFIX/share/modulefiles-tcl/unet-dist/VERSION

set prefix [file dirname [file dirname [file dirname [file dirname $ModulesCurrentModulefile]]]]

proc ModulesHelp { } {
  puts stderr "Trains U-Nets on one process or many."
  puts stderr "unet-dist --help explains the commands, and mpirun of the MPI library that the program was"
  puts stderr "built with starts several ranks."
}
module-whatis "distributed trainer for the U-Net on CPUs"

conflict unet-dist
# man finds the manual page beside bin by itself.
prepend-path PATH $prefix/bin
