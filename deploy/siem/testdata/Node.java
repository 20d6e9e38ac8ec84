import org.codelibs.opensearch.runner.OpenSearchRunner;

/** One OpenSearch on loopback: FOLDER HTTP-PORT TRANSPORT-PORT. It ends when its input does. */
public class Node {
  public static void main(String[] args) throws Exception {
    OpenSearchRunner runner = new OpenSearchRunner();
    runner.onBuild((number, settings) -> {
      settings.put("http.port", args[1]);
      settings.put("transport.port", args[2]);
      settings.put("network.host", "127.0.0.1");
      settings.put("discovery.type", "single-node");
      settings.putList("discovery.seed_hosts");
      settings.putList("node.roles", "cluster_manager", "data", "ingest");
    }).build(OpenSearchRunner.newConfigs().basePath(args[0]).numOfNode(1).clusterName("scanhound"));
    while (System.in.read() >= 0) {}
    runner.close();
    System.exit(0);
  }
}
