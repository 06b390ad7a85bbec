// Bun, whose server is uWebSockets: its own publish and subscribe. The same frames as `ws`.
import { asked, ready, subject } from './common.mjs';

const server = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  fetch(request, server) {
    const { room, token } = asked(request.url);
    if (subject(token) === null) return new Response('who?', { status: 401 });
    return server.upgrade(request, { data: { room } }) ? undefined : new Response('websocket', { status: 400 });
  },
  websocket: {
    open(socket) {
      if (socket.data.room) socket.subscribe(socket.data.room);
    },
    message(socket, message) {
      const end = message.indexOf('\n');
      server.publish(message.slice(0, end), message.slice(end + 1));
      socket.send('+');
    },
  },
});
ready(server.port);
