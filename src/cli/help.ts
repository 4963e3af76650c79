/** What stands below the options in each command's help. Examples are meant to be copied. */

const CODES_OF_ALL = `  64  the command line makes no sense
  69  no node answered, or there is no leader`

export const HELP = {
  program: `
Examples:
  lockkeeper dev                                       a cluster of one, to try things out
  lockkeeper lock backup -- ./backup.sh                run a command, one at a time in the whole cluster
  lockkeeper locks                                     who holds what, and who waits

Each command has more: lockkeeper help lock`,

  serve: `
Examples:
  lockkeeper serve --config cluster-configs/three.yaml --node 1
  lockkeeper serve --config /etc/lockkeeper.yaml --node 2 --log-level warn 2>> /var/log/lockkeeper.log

Prints one line with the word "ready" on stdout when it can be used, and its log as JSON lines on stderr.
SIGTERM and SIGINT send its clients to other nodes and stop it in order.

Exit codes:
   0  stopped in order
  64  the command line makes no sense
  70  it could not start, or stopped itself; the reason is on stderr
  78  the configuration can't be used`,

  dev: `
Examples:
  lockkeeper dev
  lockkeeper dev --port 9001 --data /tmp/lockkeeper-9001
  lockkeeper lock hello --connect 127.0.0.1:7101 -- echo "only me"     (in another terminal)

The same code as a cluster, durable, with nobody to take over: not for production. Exit codes as for serve.`,

  lock: `
Examples:
  lockkeeper lock backup -- ./backup.sh --full         wait for as long as it takes
  lockkeeper lock payout --wait 0 -- ./payout          only if it is free now (for cron)
  lockkeeper lock payout --wait 5s --ttl 30s -- sh -c 'psql -c "select pay($LOCKKEEPER_TOKEN)"'

The command gets LOCKKEEPER_NAME and LOCKKEEPER_TOKEN. The token is a fencing token, greater than every one before:
pass it to what you protect, and have that refuse a token smaller than the greatest it has seen.

The command runs in a process group of its own. SIGINT, SIGTERM, SIGHUP and SIGQUIT are passed on to the group. When the
command is over, whatever it left behind in its group is ended too, and only then is the lock released.
If the lock is lost, the group gets TERM at once, and KILL before the cluster could grant the lock to another. The same
if lockkeeper itself is killed (even with -9). Two things escape: processes that leave the group (setsid), and a machine
or process that is frozen (SIGSTOP) for longer than the TTL: it is stopped only when it thaws. The token covers those.

Exit codes:
   *  the command's own; 128 + n if signal n ended it
  64  the command line makes no sense
  69  no node answered, or there is no leader
  74  the lock was lost, and the command stopped
  75  the lock was not granted in time, and the command not started
 126  the command can't be run
 127  there is no such command`,

  status: `
Examples:
  lockkeeper status
  lockkeeper status --json | jq .leader

Asks the nodes given, and all others these know of.

Exit codes:
   0  there is a leader
${CODES_OF_ALL}`,

  locks: `
Examples:
  lockkeeper locks
  lockkeeper locks orders/                             only names that begin with orders/
  lockkeeper locks --json | jq -r 'select(.waiting > 10).name'

Exit codes:
   0  listed, even if there are none
${CODES_OF_ALL}`,

  verify: `
Examples:
  lockkeeper verify --data ./data/three-1
  lockkeeper verify --data ./data/three-1 --json | jq .digest

Reads the checkpoint and the log with all their checksums, replays the log, and checks the locks that it leads to. It
works on a view among the temporary files (TMPDIR), which takes as much room as what LevelDB has not put into tables.
Nodes that have applied the same entries have the same digest.

Exit codes:
   0  sound
  64  the command line makes no sense
  65  damaged; what is lost or altered, and what to do, is on stderr
  66  not checked: a process uses the directory, it can't be read, or it is no node's`,
} as const
