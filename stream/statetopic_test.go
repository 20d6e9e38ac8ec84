package stream_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/scanhound/scanhound/stream"
)

func TestAStoreGoesOnInATopicThatWasDeletedAndMadeAnew(t *testing.T) {
	onEachKafka(t, func(t *testing.T, k kafka) {
		topic := stateTopic(t, k, 1)
		writer, reader := openState(t, k, topic, "g"), openState(t, k, topic, "g")
		for _, s := range []*stream.StateStore{writer, reader} { // both know the topic
			written(t, s, 0, sliceOf(1, 10, []byte("before")))
		}
		cl, err := k.Dial(quiet())
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		adm := kadm.NewClient(cl)
		if _, err := adm.DeleteTopic(soon(t), topic); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the topic is gone, and made anew", func() bool {
			_, err := adm.CreateTopic(soon(t), 1, 1, nil, topic)
			return err == nil
		})
		eventually(t, "the writer writes again", func() bool {
			done := make(chan error, 1)
			writer.Write(soon(t), 0, sliceOf(2, 20, []byte("after")), func(err error) { done <- err })
			return <-done == nil
		})
		saved, err := reader.Read(soon(t), 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(saved.Slices) != 1 || saved.Slices[2] == nil {
			t.Errorf("the new topic holds %v", saved.Slices)
		}
	})
}
