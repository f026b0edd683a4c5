# Nix's part of the environment: what a user, or root for all, has installed by it.
export NIX_PROFILES="/nix/var/nix/profiles/default $HOME/.nix-profile"
export PATH="$HOME/.nix-profile/bin:/nix/var/nix/profiles/default/bin:$PATH"
