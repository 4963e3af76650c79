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
  lockkeeper serve --config /etc/lockkeeper.yaml --node 4 --join     then: lockkeeper members add 4 …

With --join, the cluster tells it who the others are; the file needs this node's own entry, and one of theirs to be
repaired from. Only the first start counts; later ones go on with what is in the data directory.

A node whose data is damaged or gone sets it aside and begins anew, from the others in its file, as another member: 3
becomes 1003, then 2003.

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
  lockkeeper lock a/1 --and b/2 -- ./transfer          both at once, or none
  lockkeeper lock report --shared -- ./read-it         beside other readers
  lockkeeper lock licence --of 5 -- ./render           one of five; its seat is in LOCKKEEPER_SEATS
  lockkeeper lock nightly --wait 0 --min-hold 1h -- ./payout     cron on hosts whose clocks differ
  lockkeeper lock payout --wait 0 -- ./payout          only if it is free now (for cron)
  lockkeeper lock payout --wait 5s --ttl 30s -- sh -c 'psql -c "select pay($LOCKKEEPER_TOKEN)"'

The command gets LOCKKEEPER_NAME and LOCKKEEPER_TOKEN; LOCKKEEPER_NAMES has all names, a line each. The token is a
fencing token, greater than every one before: pass it to what you protect, and have that refuse a token smaller than the
greatest it has seen.

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

  elect: `
Examples:
  lockkeeper elect shard-7 10.0.0.4:8080 -- ./serve-shard
  lockkeeper elect scheduler "$(hostname)" --wait 30s -- ./schedule
  lockkeeper watch shard-7 --json                      who leads, and whoever leads next

The command runs only while this one leads: it gets LOCKKEEPER_TOKEN, and is ended as that of lock is when leadership is
lost. When it is over, the candidate that came first is next. Exit codes as for lock.`,

  once: `
Examples:
  lockkeeper once invoice-2024-031 -- ./send-invoice 2024-031
  lockkeeper once migrate-v42 --keep 720h -- ./migrate

The first who asks runs the command; those who ask meanwhile wait for it; those who ask later get what it wrote to its
stdout (up to 15 KiB of text), for as long as --keep says. A command that fails does not count: its exit code is passed
on, and the next who asks runs it again. If its runner dies, another takes over with a greater LOCKKEEPER_TOKEN.

Exit codes:
   0  it was run now, or has been run before
   *  the command's own, if it failed
  64  the command line makes no sense
  69  no node answered, or there is no leader
  74  the claim was lost, and the command stopped
  75  it was not this one's turn in time; or the key is in use for other work
 126  the command can't be run
 127  there is no such command`,

  queue: `
Examples:
  lockkeeper queue join workers --data "$(hostname)" -- ./work
  lockkeeper queue list workers
  lockkeeper queue watch workers --json | jq -r .kind

The token of a member is its number in the order of joining. Nobody is in another's way. Exit codes as for lock.`,

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

  show: `
Examples:
  lockkeeper show orders/42
  lockkeeper show orders/42 --json | jq '.waiters[].sinceMs'

Exit codes:
   0  shown, even if nobody uses the name
${CODES_OF_ALL}`,

  sessions: `
Examples:
  lockkeeper sessions
  lockkeeper sessions --json | jq -r 'select(.holding > 100).label'

Exit codes:
   0  listed, even if there are none
${CODES_OF_ALL}`,

  watch: `
Examples:
  lockkeeper watch orders/42
  lockkeeper watch orders/42 --json | jq -r 'select(.kind == "granted").claim.token'

Goes on at another node when one fails, and says so if it may have missed a change meanwhile.

Exit codes:
   0  interrupted
${CODES_OF_ALL}`,

  'request-release': `
Examples:
  lockkeeper request-release orders/42 --note "deploying in five minutes, anna"

Exit codes:
   0  asked
${CODES_OF_ALL}
  75  nobody holds it`,

  'force-release': `
Examples:
  lockkeeper force-release orders/42 --note "worker 7 hangs, anna"
  lockkeeper force-release orders/42 --token 4711      only if it is still this holder's

The holder is told at once, and what was done shows in "lockkeeper show". A holder that does not listen may go on: only
fencing tokens keep its writes out.

Exit codes:
   0  taken
${CODES_OF_ALL}
  75  nobody holds it`,

  suspend: `
Examples:
  lockkeeper suspend nightly --for 2h --note "maintenance, anna"
  lockkeeper suspend nightly && until-it-is-done; lockkeeper resume nightly

Exit codes:
   0  suspended
${CODES_OF_ALL}`,

  resume: `
Examples:
  lockkeeper resume nightly

Exit codes:
   0  resumed
${CODES_OF_ALL}
  75  it is not suspended`,

  backup: `
Examples:
  lockkeeper backup /var/backups/lockkeeper
  lockkeeper backup nightly --json | jq -r .checksum

Asks the nodes given, one after the other, until one of them answers. Any node will do; the backup is never older than
the question. It goes to FILE.partial, is read again and checked, and only then takes the place of FILE.

Exit codes:
   0  written, and checked
  65  what arrived is damaged
${CODES_OF_ALL}
  70  the file can't be written`,

  restore: `
Examples:
  lockkeeper restore nightly --config new.yaml --node 1       on each machine, with its own number
  lockkeeper serve --config new.yaml --node 1                 when all nodes are restored

Every node of the new cluster must be restored from the same file, before any of them is started. The new cluster has
no sessions and no locks held. Its first token comes from the wall clock of its first leader, and is greater than all
that were granted before, also by clusters that were restored earlier, from this file or another one. The clocks must be
right: one that is behind the backup is refused. The cluster of the backup must be gone, or cut off from what the
locks protect.

Exit codes:
   0  restored
  64  the command line makes no sense
  65  the file is damaged, or no backup; nothing was written
  70  the data directory is not empty, or can't be written
  78  the configuration can't be used: mind that it needs a new cluster.id; or the clock is behind the backup`,

  members: `
Examples:
  lockkeeper members
  lockkeeper members --json | jq '.members[] | select(.connected | not).id'
  lockkeeper members add 4 10.0.0.4:7204 10.0.0.4:7104           started before with: lockkeeper serve --node 4 --join …
  lockkeeper members remove 2

One change at a time; each is over when the command ends. Any node of the cluster may be given to --connect.

Exit codes:
   0  shown, or changed
${CODES_OF_ALL}, or another change is under way
  75  not now: the node has yet to catch up, or too few others can be reached`,

  transfer: `
Examples:
  lockkeeper transfer                                  to whoever has most of the log
  lockkeeper transfer 3

Exit codes:
   0  another node leads
${CODES_OF_ALL}
  75  the node did not take over, and the old leader goes on`,

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
