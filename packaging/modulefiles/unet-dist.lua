-- A modulefile for Lmod. It finds the program from where it lies itself:
-- PREFIX/share/modulefiles/unet-dist/VERSION.lua

local prefix = myFileName():match("^(.*)/share/modulefiles/[^/]*/[^/]*$")

help([[Trains U-Nets on one process or many.
unet-dist --help explains the commands, and mpirun of the MPI library that the program was built
with starts several ranks.]])
whatis("Name: unet-dist")
whatis("Version: " .. myModuleVersion())
whatis("Description: distributed trainer for the U-Net on CPUs")

conflict("unet-dist")
-- man finds the manual page beside bin by itself.
prepend_path("PATH", pathJoin(prefix, "bin"))
