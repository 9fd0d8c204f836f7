package ingest

import (
	"errors"
	"io"
	"sync"

	"github.com/segmentio/kafka-go/compress"
)

// batchBytesMax is to how much one batch of records may unpack: 28 KB on the wire
// can become 256 MiB here.
const batchBytesMax = 64 << 20

var errUnpacked = errors.New("a batch of records unpacks to more than 64 MiB")

// limitDecompression bounds kafka-go's codecs. They are one table for the process,
// and kafka-go has no setting for it.
var limitDecompression = sync.OnceFunc(func() {
	for i, c := range compress.Codecs {
		if c != nil {
			compress.Codecs[i] = limitedCodec{c}
		}
	}
})

type limitedCodec struct{ compress.Codec }

func (c limitedCodec) NewReader(r io.Reader) io.ReadCloser {
	return &limitedReader{c.Codec.NewReader(r), batchBytesMax}
}

type limitedReader struct {
	io.ReadCloser
	left int
}

func (r *limitedReader) Read(b []byte) (int, error) {
	n, err := r.ReadCloser.Read(b)
	if r.left -= n; r.left < 0 {
		return 0, errUnpacked
	}
	return n, err
}
