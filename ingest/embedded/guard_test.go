package embedded

import (
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func frame(body []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

// produceFrame is a produce request whose batch claims to hold count records.
func produceFrame(count int32, compression byte) []byte {
	batch := make([]byte, 61+70)
	binary.BigEndian.PutUint32(batch[8:], uint32(len(batch)-12))
	batch[16] = 2
	batch[22] = compression
	binary.BigEndian.PutUint32(batch[23:], uint32(count-1))
	binary.BigEndian.PutUint32(batch[57:], uint32(count))

	req := kmsg.NewPtrProduceRequest()
	req.SetVersion(8)
	req.Acks = -1
	p := kmsg.NewProduceRequestTopicPartition()
	p.Records = batch
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic = "a"
	topic.Partitions = append(topic.Partitions, p)
	req.Topics = append(req.Topics, topic)
	body := []byte{0, 0, 0, 8, 0, 0, 0, 1, 0xff, 0xff} // key, version, correlation id, no client id
	return frame(req.AppendTo(body))
}

func TestBadRequestsEndTheirConnectionOnly(t *testing.T) {
	b := start(t, Options{Topics: []Topic{{Name: "a"}}})
	f := func(what string, request []byte) {
		t.Helper()
		conn, err := net.Dial("tcp", b.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := conn.Write(request); err != nil {
			t.Fatal(err)
		}
		if answer, err := io.ReadAll(conn); len(answer) > 0 || (err != nil && !strings.Contains(err.Error(), "reset")) {
			t.Errorf("%s: answer %q, %v", what, answer, err)
		}
		mustProduce(t, dial(t, b.Addr()), "a", 0, "still here")
	}
	f("HTTP", []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
	f("no such key", frame([]byte{0x7f, 0xff, 0, 0, 0, 0, 0, 1, 0xff, 0xff}))
	f("negative key", frame([]byte{0xff, 0xff, 0, 0, 0, 0, 0, 1, 0xff, 0xff}))
	f("empty", frame(nil))
	f("short header", frame([]byte{0, 3, 0, 0}))
	f("negative length", []byte{0xff, 0xff, 0xff, 0xff})
	f("client id longer than the request", frame([]byte{0, 3, 0, 0, 0, 0, 0, 1, 0x7f, 0xff}))
	f("produce cut short", frame([]byte{0, 0, 0, 8, 0, 0, 0, 1, 0xff, 0xff, 0xff}))
	f("negative record count", produceFrame(-5, 0))
	f("no records", produceFrame(0, 0))
	f("more records than bytes", produceFrame(11, 0))
	f("two thousand million records", produceFrame(1<<31-1, 4))
}

func TestCheckBatchLetsFullBatchesPass(t *testing.T) {
	f := func(count int32, compression byte, ok bool) {
		t.Helper()
		if err := checkRequest(produceFrame(count, compression)[4:]); (err == nil) != ok {
			t.Errorf("%d records, compression %d: %v", count, compression, err)
		}
	}
	f(1, 0, true)
	f(10, 0, true) // 70 bytes, 7 each
	f(11, 0, false)
	f(recordsMax, 4, true)
	f(recordsMax+1, 4, false)
}
