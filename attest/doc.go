// Package attest makes in-toto statements out of predicates: it checks that a
// predicate is of the type it is said to be, and splices its bytes into a statement
// as they are.
package attest
