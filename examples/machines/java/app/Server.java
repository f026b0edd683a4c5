import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;

/** Answer every request with a greeting and the path. */
class Server {
    public static void main(String[] args) throws Exception {
        var server = HttpServer.create(new InetSocketAddress(8080), 0);
        server.createContext("/", exchange -> {
            byte[] answer = ("hello from java: " + exchange.getRequestURI() + "\n").getBytes();
            exchange.sendResponseHeaders(200, answer.length);
            exchange.getResponseBody().write(answer);
            exchange.close();
        });
        server.start();
    }
}
