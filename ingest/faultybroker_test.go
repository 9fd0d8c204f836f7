package ingest

import (
	"encoding/binary"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// faultyBroker is a broker that goes wrong as a test wishes. Its hooks may be changed
// while it works; they run on the goroutine of the connection, so they may wait.
type faultyBroker struct {
	*world
	cluster *kfake.Cluster
	addr    string

	mu       sync.Mutex // guards the hooks
	fetched  func(partition int32, records []byte) []byte
	produced func() (answer bool)
}

func startFaultyBroker(t *testing.T, o ...kfake.Opt) *faultyBroker {
	t.Helper()
	b := &faultyBroker{}
	cluster, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(2, "pos.events", "wms.events"), kfake.ListenFn(b.listen)}, o...)...)
	if err != nil {
		t.Fatal(err)
	}
	b.cluster, b.addr = cluster, cluster.ListenAddrs()[0]
	transport := &kafka.Transport{MetadataTTL: 50 * time.Millisecond}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		b.onFetched(nil)
		cluster.Close()
	})
	b.world = &world{t: t, client: &kafka.Client{Addr: kafka.TCP(b.addr), Transport: transport}}
	return b
}

// onFetched changes the records that fetches are answered with; nil leaves them as they are.
func (b *faultyBroker) onFetched(f func(partition int32, records []byte) []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fetched = f
}

// onProduced says of each produce request, after it was carried out, whether it is
// answered; if not, the connection ends.
func (b *faultyBroker) onProduced(f func() (answer bool)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.produced = f
}

func (b *faultyBroker) listen(network, address string) (net.Listener, error) {
	ln, err := net.Listen(network, address)
	return &faultyListener{ln, b}, err
}

type faultyListener struct {
	net.Listener
	broker *faultyBroker
}

func (l *faultyListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &faultyConn{Conn: c, broker: l.broker, asked: map[uint32]asked{}}, nil
}

// faultyConn keeps what was asked, and changes what is answered.
type faultyConn struct {
	net.Conn
	broker *faultyBroker
	part   []byte // of a request

	mu    sync.Mutex
	asked map[uint32]asked // by correlation id
}

type asked struct{ key, version int16 }

func (c *faultyConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.part = append(c.part, p[:n]...)
	for len(c.part) >= 4 {
		size := 4 + int(binary.BigEndian.Uint32(c.part))
		if len(c.part) < size {
			break
		}
		c.mu.Lock()
		c.asked[binary.BigEndian.Uint32(c.part[8:])] = asked{int16(binary.BigEndian.Uint16(c.part[4:])), int16(binary.BigEndian.Uint16(c.part[6:]))}
		c.mu.Unlock()
		c.part = c.part[size:]
	}
	return n, err
}

// Write gets one whole answer at a time.
func (c *faultyConn) Write(answer []byte) (int, error) {
	c.mu.Lock()
	a := c.asked[binary.BigEndian.Uint32(answer[4:])]
	c.mu.Unlock()
	c.broker.mu.Lock()
	fetched, produced := c.broker.fetched, c.broker.produced
	c.broker.mu.Unlock()
	switch {
	case a.key == int16(kmsg.Fetch) && fetched != nil:
		if _, err := c.Conn.Write(changeFetched(answer, a.version, fetched)); err != nil {
			return 0, err
		}
		return len(answer), nil
	case a.key == int16(kmsg.Produce) && produced != nil && !produced():
		return 0, c.Conn.Close()
	}
	return c.Conn.Write(answer)
}

func changeFetched(answer []byte, version int16, change func(int32, []byte) []byte) []byte {
	var res kmsg.FetchResponse
	res.SetVersion(version)
	if err := res.ReadFrom(answer[8:]); err != nil {
		panic(err)
	}
	for i := range res.Topics {
		for j := range res.Topics[i].Partitions {
			if p := &res.Topics[i].Partitions[j]; len(p.RecordBatches) > 0 {
				p.RecordBatches = change(p.Partition, p.RecordBatches)
			}
		}
	}
	out := res.AppendTo(append([]byte(nil), answer[:8]...))
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	return out
}
