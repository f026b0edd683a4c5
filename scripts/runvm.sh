#!/bin/sh
# Boot the machine in this script's folder in QEMU, on this terminal. ctrl-a x quits; ctrl-a c switches to QEMU's
# monitor. Arguments are passed to QEMU. Environment variables:
#   MEMORY          memory: a number of MiB, or with the suffix G, of GiB
#   CPUS            number of processors
#   ACCEL           kvm, tcg (emulation) or auto (KVM where it works)
#   CPU             processor model (QEMU's -cpu)
#   QEMU            another QEMU program
#   FORWARD         ports of 127.0.0.1 and of the machine, instead of the config's: "8080:80 2222:22"; may be empty
#   SSH_PORT        port of 127.0.0.1 that is forwarded to the machine's port 22
#   KERNEL_PARAMS   parameters to add to the kernel command line
#   NOTOS_SSH_KEY   file with the public keys that may log in, instead of Notos' own and ~/.ssh/id_*.pub
#   NOTOS_INSTANCE  folder with the instance data of this machine (docs/howto/instances.md)
#   DISK            file of the machine's drive, if its config has one; disk.img in this script's folder by default
#   QUIET           if set, print nothing about the boot, neither before it nor when the ssh server answers

name=@name@
memory=@memory@
# The minimum memory in MiB (notos/outputs/qemu/memory.py).
leastMemory=@leastMemory@
cpus=@cpus@
accel=@accel@
# The options of QEMU's machine type, and how it attaches drives and devices (notos/outputs/qemu/devices.py).
machine=@machine@
# 1 if the machine can switch itself off (ACPI).
hasPowerOff=@hasPowerOff@
rootDrive=@rootDrive@
rootDevice=@rootDevice@
secondDrive=@secondDrive@
secondDevice=@secondDevice@
networkDevice=@networkDevice@
# The network cards after the first (notos/outputs/qemu/network.py): each the arguments of -netdev and of -device.
moreCards=@moreCards@
randomDevice=@randomDevice@
forwards=@forwards@
# The drive with instance data where fw_cfg does not pass them; 1 if the machine applies them; the interfaces that are
# on QEMU's user network.
instanceDrive=@instanceDrive@
instanceDevice=@instanceDevice@
takesInstance=@takesInstance@
userInterfaces=@userInterfaces@
# QEMU's network around the machine (notos/outputs/qemu/network.py).
userNetwork=@userNetwork@
# The kernel command line (notos/outputs/qemu/command_line.py), the parameters to add under emulation, those to
# add for a single emulated processor, and the maximum length in bytes.
kernelParams=@kernelParams@
emulatedParams=@emulatedParams@
aloneParams=@aloneParams@
longest=@longest@
# The processor (-cpu) where it is emulated, and the words of /proc/cpuinfo one of which KVM needs.
emulatedCpu=@emulatedCpu@
kvmFlags=@kvmFlags@
# The tree of programs with QEMU, the loader and the libraries by which QEMU runs, and in the tree QEMU and its data.
qemuTree=@qemuTree@
qemuLoader=@qemuLoader@
qemuLibraries=@qemuLibraries@
qemuProgram=@qemuProgram@
qemuData=@qemuData@
# The command that builds the machine, the one that logs in, and the port of 127.0.0.1 to which it connects.
build=@build@
login=@login@
loginPort=@loginPort@
# Notos' own public key.
key=@key@
hostKey=@hostKey@
# The size of the machine's drive in bytes, 0 without a drive.
diskSize=@diskSize@

fail() {
	echo "runvm.sh: $1" >&2
	exit 1
}

# Return 0 if $1 is a whole number from $2 to $3, in decimal digits without leading zeros.
isNumber() {
	case $1 in
	'' | *[!0-9]* | 0?* | ????????*) return 1 ;;
	esac
	[ "$1" -ge "$2" ] && [ "$1" -le "$3" ]
}

# Set `out` to $1 with each comma doubled, as QEMU's option values require.
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

# Create the machine's drive, a sparse file, or enlarge it to the config's size. An existing file is never
# overwritten and never made smaller.
prepareDisk() {
	where=$(dirname "$disk")
	# The free bytes, from blocks of 1 KiB (df(1), -P); the size of the file, and the bytes that it uses on the disk.
	# shellcheck disable=SC2046
	set -- $(df -Pk "$where" 2>/dev/null | tail -n 1)
	[ $# -ge 6 ] || fail "the folder $where for the machine's drive is missing; create it, or set DISK to another place"
	room=$(($4 * 1024)) size=0 used=0
	if [ -e "$disk" ]; then
		size=$(stat -Lc %s "$disk")
		used=$(($(stat -Lc '%b * %B' "$disk")))
		if [ ! -f "$disk" ] || [ ! -r "$disk" ] || [ ! -w "$disk" ]; then
			fail "the machine's drive $disk is not a file that you may write; set DISK to another place"
		fi
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
	# Write one byte at the new end: this can only make the file longer.
	if [ -e "$disk" ]; then
		dd if=/dev/zero of="$disk" bs=1 count=1 seek=$((diskSize - 1)) conv=notrunc 2>/dev/null ||
			fail "cannot enlarge $disk"
		return
	fi
	new=$disk.new-$$
	dd if=/dev/zero of="$new" bs=1 count=1 seek=$((diskSize - 1)) 2>/dev/null || fail "cannot write $new"
	# Neither command replaces an existing file. mv is for file systems without hard links.
	ln "$new" "$disk" 2>/dev/null || mv -n "$new" "$disk" || fail "cannot make $disk"
	rm -f "$new"
}

memory=${MEMORY:-$memory}
case $memory in
*[Gg]) isNumber "${memory%?}" 1 1024 && memory=$((${memory%?} * 1024)) ;;
*[Mm]) memory=${memory%?} ;;
esac
isNumber "$memory" 1 1048576 || fail "MEMORY is $MEMORY; it takes a number of MiB, as 512, or of GiB, as 2G"
[ "$memory" -ge "$leastMemory" ] ||
	fail "MEMORY is ${MEMORY:-$memory}; this machine needs at least $leastMemory MiB to boot"
cpus=${CPUS:-$cpus}
isNumber "$cpus" 1 255 || fail "CPUS is $cpus; it takes a number of processors from 1 to 255"
accel=${ACCEL:-$accel}
forwards=${FORWARD-$forwards}
if [ -n "${QEMU-}" ]; then
	command -v "$QEMU" >/dev/null || fail "QEMU is $QEMU, which is not a program; leave it unset for Notos' own"
	[ ! -d "$QEMU" ] || fail "QEMU is $QEMU, which is a folder; leave it unset for Notos' own"
fi

# `result` is a link to this script; kernel, initrd and root image are in the folder of the script itself.
script=$(readlink -f "$0") || fail "cannot find where $0 is"
folder=${script%/*}
disk=${DISK:-$folder/disk.img}
for part in vmlinuz initrd root.squashfs; do
	[ -r "$folder/$part" ] || fail "$folder/$part is missing; run $build"
done

why=
slow=
if [ ! -e /dev/kvm ]; then
	why='/dev/kvm is missing'
elif [ ! -r /dev/kvm ] || [ ! -w /dev/kvm ]; then
	why='you may not use /dev/kvm; joining the group kvm helps'
fi
if [ "$accel" = auto ]; then
	accel=kvm
	grep -qwE "$(echo "$kvmFlags" | sed 's/ or /|/g')" /proc/cpuinfo || why="this processor has no $kvmFlags"
	if [ -n "$why" ]; then
		accel=tcg
		slow="; emulating the processor, which is slow: $why"
	fi
elif [ "$accel" = kvm ] && [ -n "$why" ] && [ -z "${QEMU-}" ]; then
	fail "ACCEL is kvm, but $why; set ACCEL=tcg to emulate the processor"
fi
kernel=$folder/vmlinuz
case $accel in
kvm) cpu=host ;;
tcg)
	# The kernel's own decompression is slow to emulate.
	cpu=$emulatedCpu
	kernelParams="$kernelParams${emulatedParams:+ $emulatedParams}"
	[ "$cpus" != 1 ] || kernelParams="$kernelParams${aloneParams:+ $aloneParams}"
	# Keep vmlinuz for a screen console: only the real-mode code of vmlinuz sets up the screen.
	case " $kernelParams ${KERNEL_PARAMS-}" in
	*' console=tty'[0-9]*) ;;
	*) [ ! -s "$folder/vmlinux" ] || kernel=$folder/vmlinux ;;
	esac
	;;
*) fail "ACCEL is $accel; it takes kvm, tcg or auto" ;;
esac
cpu=${CPU:-$cpu}

# Return 0 if a process listens on port $1 of 127.0.0.1 (proc_net(5): state 0A is LISTEN; address and port are in
# hex; an IPv6 socket can accept IPv4 connections).
taken() {
	hex=$(printf %04X "$1")
	while read -r _ local _ state _; do
		[ "$state" = 0A ] || continue
		case $local in
		0100007F:"$hex" | 00000000:"$hex") return 0 ;;
		0000000000000000FFFF00000100007F:"$hex" | 00000000000000000000000000000000:"$hex") return 0 ;;
		esac
	done <<-EOF
		$(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null)
	EOF
	return 1
}

python=$(command -v python3) || python=$folder/../../.venv/bin/python

# The first half of the MAC addresses by QEMU.
vendor=52:54:00

# Pass the instance data through a pipe, or on a drive, whose file a process in the background removes when QEMU has
# opened it. QEMU's user network fits the machine's address in the data.
if [ -n "${NOTOS_INSTANCE-}" ]; then
	[ "$takesInstance" = 1 ] ||
		fail 'NOTOS_INSTANCE is set, but this machine takes no instance data; write instance: true in the config'
	[ -x "$python" ] || fail 'NOTOS_INSTANCE needs python3 on this host'
	way=--pipe
	[ -z "$instanceDrive" ] || way=--drive
	given=$("$python" -I -S "$folder/instance.py" $way "$$" "$userInterfaces" "$NOTOS_INSTANCE") || exit 1
	# The options of the network, or a hyphen if the data have no address there; the first half of the MAC addresses,
	# or a hyphen without a hostname; and the path.
	case $given in '- '*) ;; *) userNetwork=${given%% *} ;; esac
	given=${given#* }
	case $given in '- '*) ;; *) vendor=${given%% *} ;; esac
	escaped "${given#* }"
	if [ -n "$instanceDrive" ]; then
		set -- -drive "$instanceDrive,file=$out,format=raw,readonly=on" -device "$instanceDevice" "$@"
	else
		set -- -fw_cfg "name=opt/notos/instance,file=$out" "$@"
	fi
fi

[ -z "${SSH_PORT-}" ] || isNumber "$SSH_PORT" 1 65535 ||
	fail "SSH_PORT is $SSH_PORT; it takes a port, a number from 1 to 65535"
# Only root can listen on lower ports (ip(7)). `read` does not work here: dash reads byte by byte, and this file
# returns only its first byte then.
unprivileged=$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start 2>/dev/null)
isNumber "$unprivileged" 0 65536 || unprivileged=1024
network=user,id=net0,$userNetwork
ports=
sshPort=
listens=
set -f
for forward in $forwards; do
	port=${forward%%:*}
	guest=${forward#*:}
	if [ "$port" = "$forward" ] || ! isNumber "$port" 1 65535 || ! isNumber "$guest" 1 65535; then
		fail "FORWARD has $forward; it takes pairs of ports from 1 to 65535, 127.0.0.1's and the machine's: \"8080:80 2222:22\""
	fi
	hint='change vm.forward in the config, or set FORWARD'
	what="port $guest"
	if [ "$guest" = 22 ] && [ -z "$sshPort" ]; then
		port=${SSH_PORT:-$port}
		hint='set SSH_PORT to another'
		sshPort=$port
		what=ssh
	fi
	case " $ports " in *" $port "*) fail "port $port of 127.0.0.1 is forwarded twice; $hint" ;; esac
	ports="$ports $port"
	[ "$port" -ge "$unprivileged" ] || [ "$(id -u)" = 0 ] ||
		fail "port $port of 127.0.0.1 is for root only, like all below $unprivileged; $hint"
	! taken "$port" || fail "port $port of 127.0.0.1 is taken (another machine?); $hint"
	network=$network,hostfwd=tcp:127.0.0.1:$port-:$guest
	listens="$listens; $what on 127.0.0.1:$port"
done
set +f
[ -z "${SSH_PORT-}" ] || [ -n "$sshPort" ] ||
	fail "SSH_PORT is $SSH_PORT, but no port is forwarded to the machine's port 22; add $SSH_PORT:22 to FORWARD, or 2222: 22 to vm.forward in the config"

# Pass the keys at boot, so that the image is the same for all users.
publicKey='^[^#]*(ssh|ecdsa|sk)-[^ ]+ AAAA'
if [ -n "${NOTOS_SSH_KEY-}" ]; then
	if [ ! -r "$NOTOS_SSH_KEY" ] || [ -d "$NOTOS_SSH_KEY" ]; then
		fail "NOTOS_SSH_KEY is $NOTOS_SSH_KEY, which is not a file that can be read"
	fi
	grep -qE "$publicKey" "$NOTOS_SSH_KEY" ||
		fail "NOTOS_SSH_KEY is $NOTOS_SSH_KEY, which has no public key in it; name a file such as ~/.ssh/id_ed25519.pub"
	escaped "$NOTOS_SSH_KEY"
	set -- -fw_cfg "name=opt/notos/authorized_keys,file=$out" "$@"
	[ -z "$login" ] || login="ssh -p $sshPort root@127.0.0.1"
else
	# Skip unreadable files.
	authorized=$(grep -haE "$publicKey" "$key" "${HOME:-/nonexistent}"/.ssh/id_*.pub 2>/dev/null)
	escaped "$authorized"
	[ -z "$authorized" ] || set -- -fw_cfg "name=opt/notos/authorized_keys,string=$out" "$@"
	[ -z "$login" ] || [ "$sshPort" = "$loginPort" ] || login="SSH_PORT=$sshPort $login"
fi
if [ -r "$hostKey" ]; then
	escaped "$hostKey"
	set -- -fw_cfg "name=opt/notos/ssh_host_key,file=$out" "$@"
fi

if [ "$diskSize" != 0 ]; then
	escaped "$disk"
	[ -z "$secondDevice" ] || set -- -device "$secondDevice" "$@"
	# Blocks that the machine discards are freed in the file too.
	set -- -drive "$secondDrive,file=$out,format=raw,discard=unmap,detect-zeroes=unmap" "$@"
fi
set -- -device "$randomDevice" "$@"
cards=
for card in $moreCards; do
	cards="$card $cards"
done
# The last card first, because each pair is put in front of the others.
for card in $cards; do
	device=${card#*/}
	case $device in *mac=VENDOR:*) device="${device%%VENDOR:*}$vendor:${device#*VENDOR:}" ;; esac
	set -- -netdev "${card%%/*}" -device "$device" "$@"
done
set -- -netdev "$network" -device "$networkDevice" "$@"
[ -z "$rootDevice" ] || set -- -device "$rootDevice" "$@"
escaped "$folder/root.squashfs"
set -- -drive "$rootDrive,file=$out,format=raw,readonly=on" "$@"
append="$kernelParams${KERNEL_PARAMS:+ $KERNEL_PARAMS}"
# A longer command line makes the boot hang silently.
length=$(printf %s "$append" | wc -c)
[ "$length" -le "$longest" ] ||
	fail "the kernel's command line has $length bytes, and $longest is the maximum; shorten KERNEL_PARAMS${KERNEL_PARAMS:+ or} kernel_params in the config"

if [ -z "${QEMU-}" ]; then
	qemu=$qemuTree/$qemuProgram
	[ -x "$qemu" ] || fail "$qemu is missing; run $build, or set QEMU"
fi

# -nographic is not used: with it SeaBIOS clears the terminal and turns line wrap off. The user's options override
# these.
console=mon:stdio
display=none
for word; do
	case $word in
	-serial | --serial | -nographic | --nographic) console= ;;
	-monitor | --monitor) [ -z "$console" ] || console=stdio ;;
	-display | --display | -vnc | --vnc | -spice | --spice) display= ;;
	esac
done
[ -z "$console" ] || set -- -serial "$console" "$@"
[ -z "$display" ] || set -- -display "$display" "$@"
set -- -name "$name" -machine "$machine,accel=$accel" -cpu "$cpu" -m "$memory" -smp "$cpus" \
	-kernel "$kernel" -initrd "$folder/initrd" -append "$append" "$@"

# A machine that cannot switch itself off ends with a reset.
[ "$hasPowerOff" = 1 ] || set -- "$@" -no-reboot

[ "$diskSize" = 0 ] || prepareDisk

if [ -z "${QUIET-}" ]; then
	quit="kill $$ ends it"
	[ ! -t 0 ] || [ "$console" != mon:stdio ] || quit='ctrl-a x quits'
	echo "runvm.sh: booting $name; $quit$listens$slow" >&2
	# Print a line when the ssh server answers. The subshell detaches the process: this shell becomes QEMU, which
	# would not reap it.
	if [ -n "$login" ] && [ -n "$sshPort" ] && [ -r "$folder/wait_for_ssh.py" ] && [ -x "$python" ]; then
		("$python" -I -S "$folder/wait_for_ssh.py" "$sshPort" "$$" "$login" 3>&2 </dev/null >/dev/null 2>&1 &)
	fi
fi

[ -z "${QEMU-}" ] || exec "$QEMU" "$@"
for each in $qemuData; do
	set -- -L "$qemuTree/$each" "$@"
done
export QEMU_MODULE_DIR="$qemuLibraries/qemu"
exec "$qemuLoader" --library-path "$qemuLibraries" "$qemu" "$@"
