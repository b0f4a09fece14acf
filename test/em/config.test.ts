import { describe, expect, test } from "vitest";
import { buildNetwork, defaultConfig, mergeConfig } from "../../src/em/config.ts";

describe("configuration", () => {
  const images = defaultConfig([1, 28, 28], 10_000);

  test("defaults follow the data's shape: a U-Net for images, an MLP for vectors", () => {
    expect(images.network.type).toBe("unet");
    expect(defaultConfig([16], 1000).network.type).toBe("mlp");
    expect(buildNetwork(images.network, [1, 28, 28]).shape).toEqual([1, 28, 28]);
  });

  test("changes are laid over field by field", () => {
    const changed = mergeConfig(images, { em: { iterations: 3 }, network: { channels: [16, 32] } });
    expect(changed.em).toEqual({ ...images.em, iterations: 3 });
    expect(changed.network).toEqual({ ...images.network, channels: [16, 32] });
  });

  test.each([
    [{ em: { iteration: 3 } }, 'em.iteration is no field of the configuration. Did you mean "iterations"?'],
    [{ em: { iterations: "3" } }, 'em.iterations must be a number, got "3".'],
    [{ em: { iterations: 2.5 } }, "em.iterations must be a whole number >= 1, got 2.5."],
    [{ network: { channels: [16, "x"] } }, 'network.channels must be a list of numbers, got [16,"x"].'],
    [{ network: { type: "cnn" } }, 'network.type must be one of mlp, unet; got "cnn".'],
    [{ eStep: { covariance: "tweedy" } }, 'Did you mean "tweedie"?'],
    [{ schedule: { sigmaMin: 3, sigmaMax: 1 } }, "0 < sigmaMin < sigmaMax expected, got 3 and 1."],
    [{ mStep: { learningRate: [1e-3] } }, "mStep.learningRate must be three positive numbers, got [0.001]."],
    [[], "the whole must be an object, got []."],
  ])("%j is refused in words", (changes, message) => {
    expect(() => mergeConfig(images, changes)).toThrow(message);
  });
});
