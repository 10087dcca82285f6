import java.io.FileInputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.TreeSet;
import org.verapdf.gf.foundry.VeraGreenfieldFoundryProvider;
import org.verapdf.pdfa.Foundries;
import org.verapdf.pdfa.PDFAParser;
import org.verapdf.pdfa.PDFAValidator;
import org.verapdf.pdfa.VeraPDFFoundry;
import org.verapdf.pdfa.flavours.PDFAFlavour;
import org.verapdf.pdfa.results.TestAssertion;
import org.verapdf.pdfa.results.ValidationResult;

/** Validates files as PDF/A-3b: one line a file, then one line, tab-separated, for each rule that it breaks. */
public final class Validate {
    private Validate() {}

    public static void main(String[] files) throws Exception {
        VeraGreenfieldFoundryProvider.initialise();
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        try (VeraPDFFoundry foundry = Foundries.defaultInstance()) {
            PDFAValidator validator = foundry.createValidator(PDFAFlavour.PDFA_3_B, false);
            for (String file : files) {
                try (FileInputStream stream = new FileInputStream(file);
                        PDFAParser parser = foundry.createParser(stream, PDFAFlavour.PDFA_3_B)) {
                    report(out, file, validator.validate(parser));
                }
            }
        }
    }

    private static void report(PrintStream out, String file, ValidationResult result) {
        out.printf("FILE\t%s\t%s\t%d%n", file, result.isCompliant(), result.getTotalAssertions());
        TreeSet<String> broken = new TreeSet<>();
        for (TestAssertion assertion : result.getTestAssertions()) {
            if (assertion.getStatus() == TestAssertion.Status.FAILED) {
                broken.add(String.format("%s-%d\t%s", assertion.getRuleId().getClause(),
                        assertion.getRuleId().getTestNumber(), assertion.getMessage().replaceAll("\\s+", " ")));
            }
        }
        broken.forEach(line -> out.printf("RULE\t%s\t%s%n", file, line));
    }
}
