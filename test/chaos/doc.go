// Package chaos runs hallmark where things go wrong: behind a proxy that fails, cuts,
// stalls and falsifies requests of a real registry, killed at any moment, and beside
// other processes that change the same repository.
//
// What it wants is always the same: the right answer or exit code 5 ("could not find
// out"), never a wrong verdict, and nothing lost, doubled or half written that the next
// run does not put right. docs/chaos.md holds the table of a long run.
//
// The tests are told where things are: HALLMARK is the program, HALLMARK_PEERS a folder
// with registry (see test/interop/peers.sh). Without HALLMARK nothing runs, unless
// HALLMARK_NO_SKIP is set, which makes everything that is left out fail.
//
//	RUNS=200       runs of each command behind the proxy (default 30)
//	KILLS=100      kills at a random moment (default 20)
//	TOGETHER=5m    how long processes work on one repository (default 1m)
//	CHAOS_SEED=7   repeats the choices of a run that failed
//	CHAOS_ONLY=12  only this run
//	STALL=20s      how long a stall lasts (default 300ms)
//	CHAOS_TABLE=F  writes the table of runs to a file, as Markdown
package chaos
