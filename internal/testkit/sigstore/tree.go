package sigstore

import (
	"math/bits"

	"github.com/transparency-dev/merkle/rfc6962"
)

// tree is a Merkle tree as in RFC 6962 section 2.1, kept as the hashes of its leaves.
type tree struct{ leaves [][]byte }

func (t *tree) add(leaf []byte) (index int) {
	t.leaves = append(t.leaves, rfc6962.DefaultHasher.HashLeaf(leaf))
	return len(t.leaves) - 1
}

func (t *tree) root() []byte { return subtree(t.leaves) }

func (t *tree) proof(index int) [][]byte { return path(t.leaves, index) }

func subtree(leaves [][]byte) []byte {
	switch len(leaves) {
	case 0:
		return rfc6962.DefaultHasher.EmptyRoot()
	case 1:
		return leaves[0]
	}
	k := split(len(leaves))
	return rfc6962.DefaultHasher.HashChildren(subtree(leaves[:k]), subtree(leaves[k:]))
}

func path(leaves [][]byte, index int) [][]byte {
	if len(leaves) < 2 {
		return nil
	}
	k := split(len(leaves))
	if index < k {
		return append(path(leaves[:k], index), subtree(leaves[k:]))
	}
	return append(path(leaves[k:], index-k), subtree(leaves[:k]))
}

// split is the largest power of two below n.
func split(n int) int { return 1 << (bits.Len(uint(n-1)) - 1) }
