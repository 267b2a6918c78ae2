// Package verify decides whether evidence shows what a policy asks for.
//
// Evidence comes from a [Source] and is hostile until a signature by a trusted key
// verifies over it. Every check is recorded as a [Fact] in a [Report], for people
// and for files; a report is no verdict. The verdict is the [Result], which exists
// only when every requirement holds, or the [Error] that says why not.
package verify
