// The centrifuge library, of which Centrifugo is made, as a peer: tokens are checked, anybody signed in
// may subscribe and publish, and a channel that begins with "chat:" keeps history for recovery (in Redis
// when REDIS is set). Nothing else.
package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/centrifugal/centrifuge"
)

// subject checks a JWT (HS256) and answers whom it names.
func subject(token, secret string) (string, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", errors.New("not a token")
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(parts[0] + "." + parts[1]))
	given, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || !hmac.Equal(given, mac.Sum(nil)) {
		return "", errors.New("a wrong signature")
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", err
	}
	var claims struct {
		Sub string `json:"sub"`
		Exp int64  `json:"exp"`
	}
	if err := json.Unmarshal(raw, &claims); err != nil || claims.Exp < time.Now().Unix() {
		return "", errors.New("an old token")
	}
	return claims.Sub, nil
}

func main() {
	secret := os.Getenv("SECRET")
	node, err := centrifuge.New(centrifuge.Config{
		LogLevel:             centrifuge.LogLevelError,
		LogHandler:           func(e centrifuge.LogEntry) { log.Println(e.Message, e.Fields) },
		ClientQueueMaxSize:   1 << 20,
		ClientChannelLimit:   128,
		HistoryMetaTTL:       time.Hour,
	})
	if err != nil {
		log.Fatal(err)
	}
	if redis := os.Getenv("REDIS"); redis != "" {
		shard, err := centrifuge.NewRedisShard(node, centrifuge.RedisShardConfig{Address: redis})
		if err != nil {
			log.Fatal(err)
		}
		broker, err := centrifuge.NewRedisBroker(node, centrifuge.RedisBrokerConfig{Shards: []*centrifuge.RedisShard{shard}})
		if err != nil {
			log.Fatal(err)
		}
		node.SetBroker(broker)
	}
	node.OnConnecting(func(_ context.Context, e centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		user, err := subject(e.Token, secret)
		if err != nil {
			return centrifuge.ConnectReply{}, centrifuge.DisconnectInvalidToken
		}
		return centrifuge.ConnectReply{Credentials: &centrifuge.Credentials{UserID: user}}, nil
	})
	node.OnConnect(func(client *centrifuge.Client) {
		client.OnSubscribe(func(e centrifuge.SubscribeEvent, done centrifuge.SubscribeCallback) {
			kept := strings.HasPrefix(e.Channel, "chat:")
			done(centrifuge.SubscribeReply{Options: centrifuge.SubscribeOptions{
				EnableRecovery: kept, EnablePositioning: kept,
			}}, nil)
		})
		client.OnPublish(func(e centrifuge.PublishEvent, done centrifuge.PublishCallback) {
			var options []centrifuge.PublishOption
			if strings.HasPrefix(e.Channel, "chat:") {
				options = append(options, centrifuge.WithHistory(1000, time.Hour))
			}
			result, err := node.Publish(e.Channel, e.Data, options...)
			done(centrifuge.PublishReply{Result: &result}, err)
		})
	})
	if err := node.Run(); err != nil {
		log.Fatal(err)
	}
	http.Handle("/connection/websocket", centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{
		CheckOrigin: func(*http.Request) bool { return true },
	}))
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("ready", listener.Addr().(*net.TCPAddr).Port)
	log.Fatal(http.Serve(listener, nil))
}
