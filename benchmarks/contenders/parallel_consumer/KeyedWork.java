import io.confluent.parallelconsumer.ParallelConsumerOptions;
import io.confluent.parallelconsumer.ParallelConsumerOptions.ProcessingOrder;
import io.confluent.parallelconsumer.ParallelStreamProcessor;
import io.confluent.parallelconsumer.internal.DrainingCloseable.DrainingMode;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Properties;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Works topics off with Parallel Consumer, one after the other: ordered by key, each message as long as it says. Each
 * topic is read by a new group from its beginning, so the same one may be named again.
 * Arguments: bootstrap, limit, messages, seconds, topic...; for each topic a line "topic seconds", counted from the
 * assignment of its partitions to the end of its last message; "topic -" where that took longer than allowed.
 */
public final class KeyedWork {
    private static final Pattern MS = Pattern.compile("\"work\":\\{\"ms\":([0-9.]+)");

    public static void main(String[] args) throws InterruptedException {
        int limit = Integer.parseInt(args[1]);
        int messages = Integer.parseInt(args[2]);
        int seconds = Integer.parseInt(args[3]);
        for (String topic : List.of(args).subList(4, args.length)) {
            System.out.println(topic + " " + seconds(args[0], limit, messages, seconds, topic));
            System.out.flush();
        }
        System.exit(0);
    }

    private static String seconds(String bootstrap, int limit, int messages, int within, String topic)
            throws InterruptedException {
        KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(properties(bootstrap));
        ParallelStreamProcessor<byte[], byte[]> processor = ParallelStreamProcessor.createEosStreamProcessor(
                ParallelConsumerOptions.<byte[], byte[]>builder()
                        .ordering(ProcessingOrder.KEY)
                        .maxConcurrency(limit)
                        .consumer(consumer)
                        .build());
        AtomicLong began = new AtomicLong();
        CountDownLatch left = new CountDownLatch(messages);
        processor.subscribe(List.of(topic), new ConsumerRebalanceListener() {
            @Override
            public void onPartitionsRevoked(Collection<TopicPartition> partitions) {}

            @Override
            public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
                began.compareAndSet(0, System.nanoTime());
            }
        });
        processor.poll(context -> {
            work(context.getSingleConsumerRecord().value());
            left.countDown();
        });
        boolean done = left.await(within, TimeUnit.SECONDS);
        long ended = System.nanoTime();
        processor.close(Duration.ofSeconds(10), DrainingMode.DONT_DRAIN);
        return done ? String.valueOf((ended - began.get()) / 1e9) : "-";
    }

    private static void work(byte[] value) {
        Matcher found = MS.matcher(new String(value, StandardCharsets.UTF_8));
        if (!found.find()) {
            throw new IllegalArgumentException("a message that does not say how long it takes");
        }
        long until = System.nanoTime() + (long) (Double.parseDouble(found.group(1)) * 1e6);
        for (long rest = until - System.nanoTime(); rest > 0; rest = until - System.nanoTime()) {
            LockSupport.parkNanos(rest);
        }
    }

    private static Properties properties(String bootstrap) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("group.id", "parallel-consumer-" + UUID.randomUUID());
        properties.put("enable.auto.commit", "false");
        properties.put("auto.offset.reset", "earliest");
        properties.put("key.deserializer", ByteArrayDeserializer.class.getName());
        properties.put("value.deserializer", ByteArrayDeserializer.class.getName());
        return properties;
    }
}
