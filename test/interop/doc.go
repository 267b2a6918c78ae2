// Package interop runs hallmark against what it has to get along with: cosign, a
// registry without the referrers API and one with it, and a real image of two
// platforms.
//
// The tests are told where things are: HALLMARK is the program, HALLMARK_PEERS a
// folder with cosign and registry (see peers.sh), HALLMARK_IMAGES a folder made by
// test/images/build.sh. What is not there is skipped, unless HALLMARK_NO_SKIP is set.
// Everything runs on loopback: the programs have a home of their own, and proxies that
// lead nowhere.
package interop
