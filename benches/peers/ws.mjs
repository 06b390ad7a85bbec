// npm `ws`: a text frame is a room's name, a line feed, and what all in the room get.
import { WebSocketServer } from 'ws';
import { Rooms, asked, ready, subject } from './common.mjs';

const rooms = new Rooms();
const server = new WebSocketServer({
  host: '127.0.0.1',
  port: 0,
  perMessageDeflate: false,
  verifyClient: ({ req }) => subject(asked(req.url).token) !== null,
});
server.on('listening', () => ready(server.address().port));
server.on('connection', (socket, request) => {
  const { room } = asked(request.url);
  if (room) {
    rooms.enter(room, socket);
    socket.on('close', () => rooms.leave(room, socket));
  }
  socket.on('message', (data) => {
    const end = data.indexOf(10);
    const body = data.subarray(end + 1);
    for (const member of rooms.of(data.toString('latin1', 0, end))) member.send(body, { binary: false });
    socket.send('+');
  });
});
