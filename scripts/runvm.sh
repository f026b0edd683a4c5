#!/bin/sh
# Boot the machine that lies beside this script in QEMU, on this terminal: ctrl-a x quits, ctrl-a c is
# QEMU's monitor. Arguments go to QEMU. From the environment: MEMORY (MiB), CPUS, ACCEL (kvm or tcg),
# CPU (QEMU's -cpu), QEMU (another program), SSH_PORT (of 127.0.0.1, leads to ssh), FORWARD (ports in place of
# the config's, "8080:80 2222:22"; it may be empty), KERNEL_PARAMS (more of the kernel's command line),
# NOTOS_SSH_KEY (the public key file that may log in), DISK (where the machine's own drive is, if its config
# asks for one; disk.img beside this script).

name=@name@
machine=@machine@
memory=@memory@
cpus=@cpus@
accel=@accel@
forwards=@forwards@
systemConfig=@systemConfig@
kernelParams=@kernelParams@
qemuTree=@qemuTree@
keys=@keys@
hostKey=@hostKey@
# Bytes of the machine's own drive, 0 where it has none.
diskSize=@diskSize@

fail() {
	echo "runvm.sh: $1" >&2
	exit 1
}

# QEMU wants a comma in a value written twice.
escaped() {
	rest=$1
	out=
	while :; do
		case $rest in
		*,*) out="$out${rest%%,*},," rest=${rest#*,} ;;
		*) break ;;
		esac
	done
	out=$out$rest
}

# The machine's own drive, a sparse file: made once and never written over. Where the config asks for more it
# grows at its end; it is never made smaller.
prepareDisk() {
	where=$(dirname "$disk")
	# Blocks of 1 KiB that are free (df(1), -P), and bytes: of the file, and of it on the disk.
	# shellcheck disable=SC2046
	set -- $(df -Pk "$where" 2>/dev/null | tail -n 1)
	[ $# -ge 6 ] || fail "there is no folder $where for the machine's drive"
	room=$(($4 * 1024)) size=0 used=0
	if [ -e "$disk" ]; then
		size=$(stat -Lc %s "$disk")
		used=$(($(stat -Lc '%b * %B' "$disk")))
		if [ ! -f "$disk" ] || [ ! -r "$disk" ] || [ ! -w "$disk" ]; then fail "$disk is no file that is yours to write"; fi
	fi
	if [ "$size" -gt "$diskSize" ]; then
		fail "$disk has $((size >> 20)) MiB and the config says $((diskSize >> 20)); a drive is never made smaller"
	elif [ "$room" -ge $((diskSize - used)) ]; then
		:
	elif [ "$size" = "$diskSize" ]; then
		echo "runvm.sh: $where has room for $((room >> 20)) MiB more, and the machine's drive may grow by" \
			"$(((diskSize - used) >> 20)); when it is full, the machine stops until there is room" >&2
	else
		fail "$where has no room for a drive of $((diskSize >> 20)) MiB, only for $(((room + used) >> 20)); lower disk.size in the config, or set DISK to another place"
	fi
	[ "$size" != "$diskSize" ] || return 0
	# A byte at its end makes a file longer, and never shorter.
	if [ -e "$disk" ]; then
		dd if=/dev/zero of="$disk" bs=1 count=1 seek=$((diskSize - 1)) conv=notrunc 2>/dev/null ||
			fail "cannot enlarge $disk"
		return
	fi
	new=$disk.new-$$
	dd if=/dev/zero of="$new" bs=1 count=1 seek=$((diskSize - 1)) 2>/dev/null || fail "cannot write $new"
	# Neither is done over a file that is there; not every file system has links.
	ln "$new" "$disk" 2>/dev/null || mv -n "$new" "$disk" || fail "cannot make $disk"
	rm -f "$new"
}

memory=${MEMORY:-$memory}
cpus=${CPUS:-$cpus}
accel=${ACCEL:-$accel}
keys=${NOTOS_SSH_KEY:-$keys}
forwards=${FORWARD-$forwards}

# `result` is a link to this script; kernel, initrd and root lie beside the script itself.
script=$(readlink -f "$0") || fail "cannot find where $0 is"
folder=${script%/*}
disk=${DISK:-$folder/disk.img}
for part in vmlinuz initrd root.squashfs; do
	[ -r "$folder/$part" ] || fail "$folder/$part is missing; run ./doit runvm"
done

if [ "$accel" = auto ]; then
	accel=tcg
	if ! grep -qwE 'vmx|svm' /proc/cpuinfo; then
		why='this processor has no vmx or svm'
	elif [ ! -e /dev/kvm ]; then
		why='there is no /dev/kvm'
	elif [ ! -r /dev/kvm ] || [ ! -w /dev/kvm ]; then
		why='/dev/kvm is not yours to use; being in the group kvm helps'
	else
		accel=kvm
	fi
	[ "$accel" = kvm ] || echo "runvm.sh: emulating the processor, which is slow: $why" >&2
fi
kernel=$folder/vmlinuz
case $accel in
kvm) cpu=host ;;
tcg)
	# What takes longest to emulate: copying byte by byte, page tables of five levels, saving registers of
	# 256 bits, the kernel's tests of its own ciphers, and the kernel unpacking itself.
	cpu=max,-erms,-fsrm,-la57,-xsave
	kernelParams="$kernelParams cryptomgr.notests"
	# Entered directly a kernel knows of no screen: its real-mode code would have set one up.
	case " $kernelParams ${KERNEL_PARAMS-}" in
	*' console=tty'[0-9]*) ;;
	*) [ ! -s "$folder/vmlinux" ] || kernel=$folder/vmlinux ;;
	esac
	;;
*) fail "ACCEL is $accel; kvm, tcg and auto are known" ;;
esac
cpu=${CPU:-$cpu}

# Whether something listens on a port of this host (proc_net(5): state 0A, ports in hex).
taken() {
	hex=$(printf %04X "$1")
	while read -r _ local _ state _; do
		[ "$state" = 0A ] || continue
		case $local in 0100007F:"$hex" | 00000000:"$hex") return 0 ;; esac
	done </proc/net/tcp
	return 1
}

network=user,id=net0,net=10.0.2.0/24,host=10.0.2.2,dns=10.0.2.3
for forward in $forwards; do
	port=${forward%:*}
	hint='change vm.forward in the config'
	if [ "${forward#*:}" = 22 ]; then
		port=${SSH_PORT:-$port}
		hint='set SSH_PORT to another'
	fi
	! taken "$port" || fail "port $port of 127.0.0.1 is taken (another machine?); $hint"
	network=$network,hostfwd=tcp:127.0.0.1:$port-:${forward#*:}
done

# Keys come to the machine as it boots, so that the image is the same for everyone.
if [ -r "$keys" ]; then
	escaped "$keys"
	set -- -fw_cfg "name=opt/notos/authorized_keys,file=$out" "$@"
fi
if [ -r "$hostKey" ]; then
	escaped "$hostKey"
	set -- -fw_cfg "name=opt/notos/ssh_host_key,file=$out" "$@"
fi

escaped "$folder/root.squashfs"
root="file=$out,format=raw,readonly=on"
drive=
if [ "$diskSize" != 0 ]; then
	prepareDisk
	escaped "$disk"
	# What the machine frees is freed here too.
	drive="file=$out,format=raw,discard=unmap,detect-zeroes=unmap"
	kernelParams="realroot=/dev/vdb $kernelParams"
fi
case $machine in
microvm)
	# No ACPI, which costs time: QEMU tells the kernel by its command line where devices are, and what
	# restarts the machine is a triple fault.
	machine=microvm,acpi=off,rtc=on
	kernelParams="$kernelParams qemu_fw_cfg.ioport=12@0x510:0:1:4 reboot=t"
	# Emulated, one processor alone: measuring the local timer takes 0.2 s, the PIT needs no measuring.
	[ "$accel$cpus" != tcg1 ] || kernelParams="$kernelParams nolapic_timer"
	[ -z "$drive" ] || set -- -drive "id=disk,if=none,$drive" -device virtio-blk-device,drive=disk "$@"
	set -- -drive "id=root,if=none,$root" -device virtio-blk-device,drive=root \
		-netdev "$network" -device virtio-net-device,netdev=net0 -device virtio-rng-device "$@"
	;;
*)
	[ -z "$drive" ] || set -- -drive "index=1,if=virtio,$drive" "$@"
	set -- -drive "index=0,if=virtio,media=cdrom,$root" \
		-netdev "$network" -device virtio-net-pci,netdev=net0,romfile= -device virtio-rng-pci "$@"
	;;
esac
set -- -name "$name" -machine "$machine,accel=$accel" -cpu "$cpu" -m "$memory" -smp "$cpus" \
	-kernel "$kernel" -initrd "$folder/initrd" \
	-append "console=ttyS0 systemConfig=$systemConfig $kernelParams${KERNEL_PARAMS:+ $KERNEL_PARAMS}" \
	-nographic -no-reboot "$@"

[ -z "$QEMU" ] || exec "$QEMU" "$@"
qemu="$qemuTree/usr/bin/qemu-system-x86_64"
[ -x "$qemu" ] || fail "$qemu is missing; run ./doit runvm, or set QEMU"
export QEMU_MODULE_DIR="$qemuTree/usr/lib/x86_64-linux-gnu/qemu"
exec "$qemuTree/usr/lib64/ld-linux-x86-64.so.2" --library-path "$qemuTree/usr/lib/x86_64-linux-gnu" \
	"$qemu" -L "$qemuTree/usr/share/qemu" -L "$qemuTree/usr/share/seabios" "$@"
