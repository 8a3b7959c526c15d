import java.io.File;
import org.apache.kerby.kerberos.kerb.client.KrbClient;

/** What kinit does: PRINCIPAL KEYTAB CACHE FOLDER-OF-krb5.conf. */
class Ticket {
    public static void main(String[] args) throws Exception {
        KrbClient client = new KrbClient(new File(args[3]));
        client.init();
        client.storeTicket(client.requestTgt(args[0], new File(args[1])), new File(args[2]));
    }
}
