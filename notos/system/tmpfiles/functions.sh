# shellcheck shell=busybox disable=SC2154
# Functions of the tmpfiles fragment, in place of systemd-tmpfiles. Paths are below "$root", which is empty in a
# machine. Modes, users and groups may be "-", for no change. Each function starts as few processes as it can.

tmpfilesSay() {
	echo "tmpfiles.d: $1" >&2
}

# Return success if no folder on the way to $1 belongs to a user who could have placed what is below it. Set
# $tmpfilesOwner to the user of $1.
tmpfilesSafe() {
	local rest=${1#/} at=$root owner=0 next target
	while [ -n "$rest" ]; do
		at=$at/${rest%%/*}
		case $rest in
		*/*) rest=${rest#*/} ;;
		*) rest= ;;
		esac
		if [ -L "$at" ]; then
			next=$(stat -c %u "$at")
			[ "$next" = 0 ] && { [ "$owner" = 0 ] || [ "$owner" = "$next" ]; } || return 1
			target=$(readlink -f "$at") || return 1
			case $target/ in "$root"/*) ;; *) return 1 ;; esac
			tmpfilesSafe "${target#"$root"}" || return 1
			at=$target owner=$tmpfilesOwner
			continue
		elif [ -O "$at" ] || [ ! -e "$at" ]; then
			next=0
		else
			next=$(stat -c %u "$at")
		fi
		[ "$owner" = 0 ] || [ "$owner" = "$next" ] || return 1
		owner=$next
	done
	tmpfilesOwner=$owner
}

# Create the folders above $1.
tmpfilesParents() {
	local above=${1%/*}
	[ -d "$root$above/" ] || mkdir -p "$root$above"
	tmpfilesSafe "$above" && return
	tmpfilesSay "unsafe path: $1"
	return 1
}

# Create the folders $@ with the mode 0755. Add new ones to $tmpfilesNew.
tmpfilesDirs() {
	local count=$# path made=''
	while [ "$count" -gt 0 ]; do
		path=$1
		shift
		count=$((count - 1))
		if [ -L "$root$path" ] || { [ -e "$root$path" ] && [ ! -d "$root$path" ]; }; then
			tmpfilesSay "$path exists and is not a folder"
		elif [ ! -d "$root$path" ]; then
			# mkdir makes the folder above with this one, if it is new too.
			case $made in
			*":${path%/*}:"*) ;;
			*) tmpfilesParents "$path" || continue ;;
			esac
			made=$made:$path:
			set -- "$@" "$root$path"
		fi
	done
	[ $# -eq 0 ] || mkdir -p "$@"
	tmpfilesNew=$tmpfilesNew$made
}

# Set the modes and owners of the folders $3 and following: $1 is chmod or chown, $2 the value.
tmpfilesSet() {
	local command=$1 value=$2 count path
	shift 2
	count=$#
	while [ "$count" -gt 0 ]; do
		path=$1
		shift
		count=$((count - 1))
		[ -d "$root$path" ] && [ ! -L "$root$path" ] || continue
		case $command$value in
		chmod755) case $tmpfilesNew in *":$path:"*) continue ;; esac ;;
		chown0:0) [ ! -O "$root$path" ] || [ ! -G "$root$path" ] || continue ;;
		esac
		tmpfilesSafe "${path%/*}" && set -- "$@" "$root$path"
	done
	[ $# -eq 0 ] || "$command" "$value" "$@"
}

# Set the mode $3, with ~ if it is limited by the bits that the file has, the user $4 and the group $5 of the
# file $1. With : they apply only if $2 is set. $2 is new for a new file, whose bits limit nothing, or copied.
tmpfilesPerms() {
	local path=$1 new=$2 mode=$3 user=$4 group=$5 limited='' current owner
	case $mode in :*) mode=${mode#:} && [ -n "$new" ] || mode=- ;; esac
	case $user in :*) user=${user#:} && [ -n "$new" ] || user=- ;; esac
	case $group in :*) group=${group#:} && [ -n "$new" ] || group=- ;; esac
	[ "$mode$user$group" != --- ] || return 0
	case $mode in "~"*) mode=${mode#"~"} limited=1 ;; esac
	# shellcheck disable=SC2046
	set -- "$path" $(stat -c '%a %u %g %h' "$path")
	[ $# -eq 5 ] || return 0
	if [ "$5" -gt 1 ] && { [ -L "$path" ] || [ ! -d "$path" ]; }; then
		read -r current </proc/sys/fs/protected_hardlinks || current=0
		[ "$current" = 1 ] || {
			tmpfilesSay "${path#"$root"} has several names; its mode and owner stay"
			return
		}
	fi
	current=$2
	[ "$mode" != - ] || mode=$current limited=
	if [ -n "$limited" ]; then
		mode=$((0$mode)) current=$((0$current))
		[ "$new" != new ] || current=$((0777))
		[ $((current & 0111)) -ne 0 ] || mode=$((mode & ~0111))
		[ $((current & 0222)) -ne 0 ] || mode=$((mode & ~0222))
		[ $((current & 0444)) -ne 0 ] || mode=$((mode & ~0444))
		[ -d "$path" ] || mode=$((mode & 0777))
		mode=$(printf %o "$mode")
		current=$2
	fi
	owner=
	case $user in - | "$3") ;; *) owner=$user ;; esac
	case $group in - | "$4") ;; *) owner=$owner:$group ;; esac
	[ -z "$owner" ] || chown -h "$owner" "$path" || return
	[ -L "$path" ] || { [ -z "$owner" ] && [ $((0$mode)) -eq $((0$current)) ]; } || chmod "$mode" "$path"
}

# Create the folder $1.
tmpfilesDir() {
	local new=''
	[ -d "$root$1" ] || new=new
	tmpfilesDirs "$1"
	[ -d "$root$1" ] && [ ! -L "$root$1" ] && tmpfilesSafe "${1%/*}" || return
	tmpfilesPerms "$root$1" "$new" "$2" "$3" "$4"
}

# Create the file $1 with the text $5, in which a backslash begins an escape of printf. An existing file keeps its
# text, except if $6 is set.
tmpfilesFile() {
	local path=$root$1 new='' text=$5
	tmpfilesParents "$1" || return
	if [ -L "$path" ] || { [ -e "$path" ] && [ ! -f "$path" ]; }; then
		tmpfilesSay "$1 exists and is not a file"
		return
	fi
	[ -e "$path" ] || new=new
	if [ -n "$new$6" ]; then
		[ -z "$new" ] || [ "$2" = - ] || umask 077
		printf %b "$text" >"$path"
		umask 022
	fi
	tmpfilesPerms "$path" "$new" "$2" "$3" "$4"
}

# Write the text $5 into the file $1, if it exists, or append it if $6 is set.
tmpfilesWrite() {
	local path=$root$1
	tmpfilesSafe "${1%/*}" || {
		tmpfilesSay "unsafe path: $1"
		return
	}
	[ -e "$path" ] || return 0
	[ ! -d "$path" ] && [ ! -p "$path" ] || {
		tmpfilesSay "$1 cannot be written"
		return
	}
	case $6$1 in
	1*) printf %b "$5" >>"$path" ;;
	/sys/* | /proc/*) printf %b "$5" >"$path" ;;
	*) printf %b "$5" 1<>"$path" ;;
	esac
	[ ! -L "$path" ] || path=$(readlink -f "$path")
	tmpfilesPerms "$path" '' "$2" "$3" "$4"
}

# Set the mode and owner of the folder $1.
tmpfilesExisting() {
	local path=$root$1
	[ -d "$path" ] && tmpfilesSafe "$1" || return
	[ ! -L "$path" ] || path=$(readlink -f "$path")
	tmpfilesPerms "$path" '' "$2" "$3" "$4"
}

# Create the FIFO or device $1. $5 is p, c or b; $6 and $7 are the numbers of a device. If $8 is set, replace what
# exists and is of another type.
tmpfilesNode() {
	local path=$root$1 new=''
	tmpfilesParents "$1" || return
	if [ -e "$path" ] || [ -L "$path" ]; then
		if [ -L "$path" ] || ! test "-$5" "$path"; then
			[ -n "$8" ] || {
				tmpfilesSay "$1 exists and has another type"
				return
			}
			rm -rf "$path"
		fi
	fi
	if [ ! -e "$path" ]; then
		new=new
		case $5 in
		p) mkfifo "$path" ;;
		*) mknod "$path" "$5" "$6" "$7" ;;
		esac
	fi
	tmpfilesPerms "$path" "$new" "$2" "$3" "$4"
}

# Create the link $1 to $5. If $6 is set, replace what exists.
tmpfilesLink() {
	local path=$root$1 new=''
	tmpfilesParents "$1" || return
	if [ ! -L "$path" ] && [ ! -e "$path" ]; then
		new=new
		ln -s -- "$5" "$path"
	elif [ ! -L "$path" ] || [ "$(readlink "$path")" != "$5" ]; then
		[ -n "$6" ] || return 0
		new=new
		[ -L "$path" ] || [ ! -d "$path" ] || rm -rf "$path"
		ln -sfn -- "$5" "$path"
	fi
	tmpfilesPerms "$path" "$new" "$2" "$3" "$4"
}

# Give files below $2 the setuid and setgid bits that they have below $1. chown(2) cleared them.
tmpfilesSetuid() {
	local from=$1 to=$2 entry
	[ ! -L "$from" ] || return 0
	if [ -d "$from" ]; then
		for entry in "$from"/* "$from"/.[!.]* "$from"/..?*; do
			[ ! -e "$entry" ] || tmpfilesSetuid "$entry" "$to/${entry##*/}"
		done
	elif [ -u "$from" ] || [ -g "$from" ]; then
		chmod "$(stat -c %a "$from")" "$to"
	fi
}

# Copy $1 to $2, which does not exist. The user $3 and the group $4 own the copy.
tmpfilesCopyNew() {
	local owner=''
	cp -a -- "$1" "$2"
	[ "$3" = - ] || owner=${3#:}
	[ "$4" = - ] || owner=$owner:${4#:}
	[ -z "$owner" ] || {
		chown -hR "$owner" "$2"
		tmpfilesSetuid "$1" "$2"
	}
	# A store object has no writable files.
	case $1 in "$root/usr/"*) [ -L "$2" ] || chmod -R u+w "$2" ;; esac
}

# Copy what is in the folder $1 and not in the folder $2. The user $3 and the group $4 own the copies.
tmpfilesMerge() {
	local from=$1 to=$2 entry name
	for entry in "$from"/* "$from"/.[!.]* "$from"/..?*; do
		[ -e "$entry" ] || [ -L "$entry" ] || continue
		name=${entry##*/}
		if [ ! -e "$to/$name" ] && [ ! -L "$to/$name" ]; then
			tmpfilesCopyNew "$entry" "$to/$name" "$3" "$4"
		elif [ -d "$entry" ] && [ ! -L "$entry" ] && [ -d "$to/$name" ] && [ ! -L "$to/$name" ]; then
			tmpfilesMerge "$entry" "$to/$name" "$3" "$4"
		fi
	done
}

# Copy $5 to $1. Merge it into an existing folder if $6 is set or the folder is empty.
tmpfilesCopy() {
	local path=$root$1 from=$root$5 entry
	[ -e "$from" ] || [ -L "$from" ] || return 0
	tmpfilesParents "$1" || return
	case $(readlink -f "${path%/*}")/ in
	"$(readlink -f "$from")"/*)
		tmpfilesSay "$1 is below its source"
		return
		;;
	esac
	if [ ! -e "$path" ] && [ ! -L "$path" ]; then
		tmpfilesCopyNew "$from" "$path" "$3" "$4"
	elif [ -d "$path" ] && [ ! -L "$path" ] && [ -d "$from" ] && [ ! -L "$from" ]; then
		if [ -z "$6" ]; then
			for entry in "$path"/* "$path"/.[!.]* "$path"/..?*; do
				[ ! -e "$entry" ] && [ ! -L "$entry" ] || break
			done
			[ ! -e "$entry" ] && [ ! -L "$entry" ] && tmpfilesMerge "$from" "$path" "$3" "$4"
		else
			tmpfilesMerge "$from" "$path" "$3" "$4"
		fi
	fi
	[ ! -L "$path" ] || return 0
	if [ -d "$path" ]; then
		[ -d "$from" ] || return 0
	elif ! { [ -f "$path" ] && [ -f "$from" ]; }; then
		return
	fi
	tmpfilesPerms "$path" copied "$2" "$3" "$4"
}

# Set the mode and owner of $1.
tmpfilesAdjust() {
	local path=$root$1
	if ! tmpfilesSafe "${1%/*}" || { [ "$tmpfilesOwner" != 0 ] &&
		[ "$tmpfilesOwner" != "$(stat -c %u "$path")" ]; }; then
		tmpfilesSay "unsafe path: $1"
		return
	fi
	tmpfilesPerms "$path" '' "$2" "$3" "$4"
}

# Set the modes and owners of $1 and all below it.
tmpfilesAdjustAll() {
	local path=$root$1 each
	tmpfilesPerms "$path" '' "$2" "$3" "$4"
	[ ! -L "$path" ] && [ -d "$path" ] || return 0
	for each in "$path"/* "$path"/.[!.]* "$path"/..?*; do
		[ -e "$each" ] || [ -L "$each" ] || continue
		tmpfilesAdjustAll "${each#"$root"}" "$2" "$3" "$4"
	done
}

# Remove the file or empty folder $1.
tmpfilesRemove() {
	if [ -d "$root$1" ] && [ ! -L "$root$1" ]; then
		rmdir "$root$1"
	else
		rm -f "$root$1"
	fi
}

# Return success if the path $2 matches the pattern $1, fnmatch(3) with FNM_PATHNAME and FNM_PERIOD.
tmpfilesMatches() {
	local pattern=${1#/} path=${2#/}
	while [ -n "$pattern" ] && [ -n "$path" ]; do
		case ${path%%/*} in
		.*) case $pattern in .*) ;; *) return 1 ;; esac ;;
		esac
		# shellcheck disable=SC2254
		case ${path%%/*} in
		${pattern%%/*}) ;;
		*) return 1 ;;
		esac
		case $pattern in */*) pattern=${pattern#*/} ;; *) pattern= ;; esac
		case $path in */*) path=${path#*/} ;; *) path= ;; esac
	done
	[ -z "$pattern$path" ]
}

# Remove what is in the folder $1, except for what other lines name (tmpfilesKept), mounts, devices and files with
# the sticky bit.
tmpfilesEmpty() {
	local folder=$1 entry
	[ -d "$root$folder" ] && [ ! -L "$root$folder" ] || return 0
	for entry in "$root$folder"/* "$root$folder"/.[!.]* "$root$folder"/..?*; do
		if [ -L "$entry" ]; then
			tmpfilesKept "${entry#"$root"}" || rm -f "$entry"
		elif [ ! -e "$entry" ] || tmpfilesKept "${entry#"$root"}"; then
			continue
		elif [ -d "$entry" ]; then
			mountpoint -q "$entry" && continue
			case ${entry##*/} in lost+found) [ -O "$entry" ] && mountpoint -q "$root$folder" && continue ;; esac
			tmpfilesEmpty "${entry#"$root"}"
			rmdir "$entry" 2>/dev/null
		elif [ ! -k "$entry" ] && [ ! -b "$entry" ] && [ ! -c "$entry" ]; then
			rm -f "$entry"
		fi
	done
}

# Remove $1 and what is in it, as tmpfilesEmpty.
tmpfilesRemoveAll() {
	if [ -d "$root$1" ] && [ ! -L "$root$1" ]; then
		tmpfilesEmpty "$1"
		rmdir "$root$1" 2>/dev/null
	else
		rm -f "$root$1"
	fi
}

# Make way for $1: remove what is in the place of its folders, and what is not of the type $2, an option of test(1).
tmpfilesReplace() {
	local rest=${1#/} at=$root above
	while :; do
		above=$at at=$at/${rest%%/*}
		case $rest in */*) rest=${rest#*/} ;; *) break ;; esac
		if [ -e "$at" ] && [ -n "$above" ] && [ ! -O "$above" ] &&
			[ "$(stat -Lc %u "$above")" != "$(stat -Lc %u "$at")" ]; then
			tmpfilesSay "unsafe path: $1"
			return 1
		fi
		[ -d "$at" ] && continue
		[ ! -L "$at" ] && [ ! -e "$at" ] || rm -f "$at"
		mkdir "$at"
	done
	[ "$2" != - ] || return 0
	if [ -L "$at" ]; then
		[ "$2" = -L ] || rm -f "$at"
	elif [ -e "$at" ] && ! test "$2" "$at"; then
		mountpoint -q "$at" || rm -rf "$at"
	fi
}
