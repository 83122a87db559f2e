package bouncycastle;

import java.net.Socket;
import org.bouncycastle.est.jcajce.ChannelBindingProvider;
import org.bouncycastle.jsse.BCSSLSocket;

/** tls-unique out of Bouncy Castle's own TLS; the JDK's gives none. */
final class BoundConnection implements ChannelBindingProvider {
    @Override
    public boolean canAccessChannelBinding(Socket socket) {
        return socket instanceof BCSSLSocket;
    }

    @Override
    public byte[] getChannelBinding(Socket socket, String kind) {
        byte[] value = ((BCSSLSocket) socket).getConnection().getChannelBinding(kind);
        System.out.println("binding=" + kind + " octets=" + value.length);
        return value;
    }
}
