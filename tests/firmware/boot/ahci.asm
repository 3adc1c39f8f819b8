; Boot sector of a disk on an AHCI controller.

%define NO_IDE
%include "disk.asm"
