#!/usr/bin/env bash
# Make sure that there is a Chromium to try the book in; if there is none and none can be installed, say so and go on.
set -uo pipefail

found() {
  for name in ${KC_CHROMIUM:-chromium chromium-browser google-chrome google-chrome-stable}; do
    command -v "$name" >/dev/null && return 0
  done
  return 1
}

found && exit 0
if [ -z "${KC_CHROMIUM:-}" ] && command -v apt-get >/dev/null; then
  root=(); [ "$(id -u)" = 0 ] || root=(sudo -n)
  if "${root[@]}" true 2>/dev/null; then
    echo "Installing Chromium from the system's packages."
    "${root[@]}" apt-get update -qq
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium
  fi
fi >/dev/null 2>&1
found && exit 0

cat >&2 <<'LOUD'
################################################################################################
##                                                                                            ##
##  THE BOOK IS NOT TRIED IN A BROWSER: there is no Chromium, and it can't be installed here. ##
##                                                                                            ##
##  Not tested: console errors, requests to other hosts, widths 390 and 1440 px, whether      ##
##  plots and attention views draw, controls, search, accessibility (axe), weight, file://.   ##
##                                                                                            ##
##  Install it (Debian, Ubuntu: sudo apt-get install chromium), or name one:                  ##
##  KC_CHROMIUM=/path/to/chrome make browser                                                  ##
##                                                                                            ##
################################################################################################
LOUD
exit 0
