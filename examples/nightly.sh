#!/bin/sh
# Cron on two hosts, by the command line. In the crontab of each host:
#
#     0 3 * * *  nightly.sh ./pay-out
#
# The host that is first runs the job. The other finds the name taken, and that is no failure. After the job the name rests
# until it would have been held for MIN_HOLD: choose more than the clocks of the hosts differ, and less than the period.
# Nodes: LOCKKEEPER_ADDRESSES. The job itself must not end with 75.

lockkeeper lock payout --wait 0 --min-hold "${MIN_HOLD:-1h}" -- "$@"
code=$?
if [ "$code" -eq 75 ]; then
  echo 'another host has it today'
  exit 0
fi
exit "$code"
