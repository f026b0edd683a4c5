#!/bin/sh
# Boot the machine that lies beside this script in QEMU, on this terminal: ctrl-a x quits, ctrl-a c is
# QEMU's monitor. Arguments go to QEMU. From the environment: MEMORY (MiB), CPUS, ACCEL (kvm or tcg),
# CPU (QEMU's -cpu), QEMU (another program), SSH_PORT (of 127.0.0.1, leads to ssh), KERNEL_PARAMS (more of
# the kernel's command line), NOTOS_SSH_KEY (the public key file that may log in).

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

memory=${MEMORY:-$memory}
cpus=${CPUS:-$cpus}
accel=${ACCEL:-$accel}
keys=${NOTOS_SSH_KEY:-$keys}

# `result` is a link to this script; kernel, initrd and root lie beside the script itself.
script=$(readlink -f "$0") || fail "cannot find where $0 is"
folder=${script%/*}
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
	[ ! -s "$folder/vmlinux" ] || kernel=$folder/vmlinux
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
case $machine in
microvm)
	# No ACPI, which costs time: QEMU tells the kernel by its command line where devices are, and what
	# restarts the machine is a triple fault.
	machine=microvm,acpi=off,rtc=on
	kernelParams="$kernelParams qemu_fw_cfg.ioport=12@0x510:0:1:4 reboot=t"
	# Emulated, one processor alone: measuring the local timer takes 0.2 s, the PIT needs no measuring.
	[ "$accel$cpus" != tcg1 ] || kernelParams="$kernelParams nolapic_timer"
	set -- -drive "id=root,if=none,$root" -device virtio-blk-device,drive=root \
		-netdev "$network" -device virtio-net-device,netdev=net0 -device virtio-rng-device "$@"
	;;
*)
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
